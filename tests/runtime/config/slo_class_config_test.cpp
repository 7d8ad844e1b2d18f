// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/slo_class_config.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

// The tree that a cluster file's "classes:" would have, from its first line on.
Result<std::vector<SloClassConfig>> read(const std::string& yaml, int& line) {
  const YamlNode tree = *parse_yaml(yaml, "test.yaml");
  line = tree.line;
  return read_slo_classes(tree, line);
}

std::vector<SloClassConfig> classes_of(const std::string& yaml) {
  int line = 0;
  const auto classes = read(yaml, line);
  EXPECT_TRUE(classes.has_value()) << (classes ? "" : classes.error().message);
  return classes ? *classes : std::vector<SloClassConfig>{};
}

// "LINE: what is wrong"
std::string error_of(const std::string& yaml) {
  int line = 0;
  const auto classes = read(yaml, line);
  if (classes) return "no error";
  return std::to_string(line).append(": ").append(classes.error().message);
}

TEST(SloClassConfig, AListKeepsItsOrderAndDefaults) {
  const auto classes = classes_of(
      "- { name: interactive, ttft: 500ms }\n"
      "- name: batch\n"
      "  ttft: 1min\n"
      "  quality_floor: 0.02\n"
      "  ageing: 0.5\n"
      "  may_reject: false\n");
  ASSERT_EQ(classes.size(), 2U);
  EXPECT_EQ(classes[0].name, "interactive");
  EXPECT_EQ(classes[0].ttft_s, 0.5);
  const SloClassConfig usual;
  EXPECT_EQ(classes[0].quality_floor, usual.quality_floor);
  EXPECT_EQ(classes[0].ageing, usual.ageing);
  EXPECT_EQ(classes[0].may_reject, usual.may_reject);
  EXPECT_EQ(classes[1].name, "batch");
  EXPECT_EQ(classes[1].ttft_s, 60.0);
  EXPECT_EQ(classes[1].quality_floor, 0.02);
  EXPECT_EQ(classes[1].ageing, 0.5);
  EXPECT_FALSE(classes[1].may_reject);
}

TEST(SloClassConfig, AMapIsByNameAndADurationIsAClass) {
  const auto classes = classes_of("z: 2s\na: { ttft: 3s, quality_floor: 0 }\nb:\n");
  ASSERT_EQ(classes.size(), 3U);
  EXPECT_EQ(classes[0].name, "z");
  EXPECT_EQ(classes[0].ttft_s, 2.0);
  EXPECT_EQ(classes[1].name, "a");
  EXPECT_EQ(classes[1].quality_floor, 0.0);
  EXPECT_EQ(classes[2].name, "b");
  EXPECT_EQ(classes[2].ttft_s, SloClassConfig{}.ttft_s);
}

TEST(SloClassConfig, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_EQ(error_of("- { name: a }\n- { ttft: 2s }\n"), "2: has a class without \"name\"");
  EXPECT_EQ(error_of("- { name: a }\n- { name: a }\n"), "2: has two classes named \"a\"");
  EXPECT_EQ(
      error_of("- fast\n"),
      "1: must have sections such as { name: interactive, ttft: 2s }, but has a single value");
  EXPECT_EQ(error_of("a:\n  ttft: 2\n"),
            "2: has a \"ttft\" that is wrong: \"2\" has no unit; write s or ms behind the number");
  EXPECT_EQ(error_of("a:\n  ttft: 2s\n  quality: 1\n"),
            "3: has the unknown key \"quality\"; valid are \"name\", \"ttft\", \"quality_floor\", "
            "\"ageing\" and \"may_reject\"");
  EXPECT_EQ(error_of("a: { quality_floor: -1 }\n"),
            "1: has a \"quality_floor\" that must be from 0 to 100, not \"-1\"");
  EXPECT_EQ(error_of("a: { ageing: 1000 }\n"),
            "1: has a \"ageing\" that must be from 0 to 100, not \"1000\"");
  EXPECT_EQ(error_of("a: { may_reject: 1 }\n"),
            "1: has a \"may_reject\" that must be true or false, not \"1\"");
  EXPECT_EQ(error_of("a: soon\n"),
            "1: has a class \"a\" that is wrong: \"soon\" is not a duration such as 2s or 500ms");
  EXPECT_EQ(error_of("a: { name: b }\n"), "1: names the class \"a\" also \"b\"");
  EXPECT_EQ(error_of("\"a b\": 2s\n"),
            "1: has a name of a class that must be 1 to 64 letters, digits and \"._+-@\", not "
            "\"a b\"");
  EXPECT_EQ(error_of("fast\n"),
            "1: must be classes such as { interactive: { ttft: 2s }, batch: { ttft: 1min } }, not "
            "\"fast\"");
  EXPECT_EQ(error_of("[]\n"),
            "1: must be classes such as { interactive: { ttft: 2s }, batch: { ttft: 1min } }");
}

TEST(SloClassConfig, AFileOfThousandsIsRefused) {
  std::string yaml;
  for (int i = 0; i < 65; ++i) yaml.append("c").append(std::to_string(i)).append(": 1s\n");
  EXPECT_EQ(error_of(yaml), "65: has more than 64 classes");
}

}  // namespace
}  // namespace sluice::runtime
