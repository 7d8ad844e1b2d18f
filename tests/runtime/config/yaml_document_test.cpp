// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/yaml_document.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sluice::runtime {
namespace {

TEST(YamlDocument, TreeWithLines) {
  const Result<YamlNode> root = parse_yaml("# head\na:\n  b: [x, 2]\n  c:\nd: \"q\"\n", "f");
  ASSERT_TRUE(root.has_value()) << root.error().message;
  ASSERT_EQ(root->kind, YamlKind::kMap);
  ASSERT_EQ(root->entries.size(), 2U);
  const YamlNode::Entry& a = root->entries[0];
  EXPECT_EQ(a.key, "a");
  EXPECT_EQ(a.line, 2);
  ASSERT_EQ(a.value.entries.size(), 2U);
  const YamlNode::Entry& b = a.value.entries[0];
  EXPECT_EQ(b.line, 3);
  ASSERT_EQ(b.value.items.size(), 2U);
  EXPECT_EQ(b.value.items[1].text, "2");
  EXPECT_EQ(b.value.items[1].line, 3);
  EXPECT_EQ(a.value.entries[1].value.kind, YamlKind::kNull);
  EXPECT_EQ(a.value.entries[1].value.line, 4);
  EXPECT_EQ(root->entries[1].value.text, "q");
  EXPECT_EQ(root->entries[1].line, 5);
}

TEST(YamlDocument, NothingIsNull) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n"}) {
    const Result<YamlNode> root = parse_yaml(text, "f");
    ASSERT_TRUE(root.has_value()) << root.error().message;
    EXPECT_EQ(root->kind, YamlKind::kNull) << text;
  }
}

std::string error_of(const std::string& yaml) {
  const Result<YamlNode> root = parse_yaml(yaml, "f");
  return root ? "" : root.error().message;
}

TEST(YamlDocument, KeysMustBeWords) {
  EXPECT_EQ(error_of("[a, b]: c\n"), "f:1: a key must be a plain word");
  EXPECT_EQ(error_of("x: y\n~: c\n"), "f:2: a key must be a plain word");
}

TEST(YamlDocument, KeysMustBeUniqueWithinTheirSection) {
  EXPECT_EQ(error_of("a: 1\nb: {a: 2}\n"), "");
  EXPECT_EQ(error_of("a: 1\nb: 2\na: 3\n"), "f:3: the key \"a\" is given twice, first on line 1");
}

// The library alone never ends here and takes all memory.
TEST(YamlDocument, WhereNoValueCanStartTheReadingEnds) {
  EXPECT_EQ(error_of(","), "f:1: not valid YAML: no value starts like this");
  EXPECT_EQ(error_of("\n ,a: b"), "f:2: not valid YAML: no value starts like this");
  EXPECT_NE(error_of("a: b\n---\n,"), "");
}

TEST(YamlDocument, OneFileIsOneDocument) {
  EXPECT_EQ(error_of("---\na: 1\n...\n"), "");
  const std::string second = "a second document starts here, but one file is one configuration";
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"), "f:2: " + second);
  EXPECT_EQ(error_of("a: 1\n---\n"), "f:2: " + second);
}

TEST(YamlDocument, AliasesAreTheValuesTheyName) {
  const Result<YamlNode> root = parse_yaml("a: &x [1, 2]\nb: *x\n*x : c\n", "f");
  ASSERT_FALSE(root.has_value());
  EXPECT_EQ(root.error().message, "f:1: a key must be a plain word");
  const Result<YamlNode> good = parse_yaml("a: &x [1, 2]\nb: *x\n", "f");
  ASSERT_TRUE(good.has_value()) << good.error().message;
  ASSERT_EQ(good->entries[1].value.items.size(), 2U);
  EXPECT_EQ(good->entries[1].value.items[1].text, "2");
  EXPECT_EQ(error_of("a: &x [*x]\n"), "f:1: a value contains itself");
}

TEST(YamlDocument, WhatIsTooMuchIsRefusedWhileItIsRead) {
  EXPECT_EQ(error_of("\n" + std::string(17, '[')), "f:2: the file is nested too deeply");
  EXPECT_EQ(error_of(std::string(10'000, '[')), "f:1: the file is nested too deeply");
  std::string ones = "[";
  for (int i = 0; i < 100'001; ++i) ones += "1,";
  EXPECT_EQ(error_of(ones), "f:1: the file has too many values");
  // Ten to the seventh, written in eight lines.
  std::string bomb = "- &a0 [1]\n";
  for (int i = 1; i < 8; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "- &a" + std::to_string(i) + " [" + last;
    for (int j = 1; j < 10; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  EXPECT_NE(error_of(bomb).find("the file has too many values"), std::string::npos);
  std::string repeated = "- &a " + std::string(1 << 20, 'a') + "\n";
  for (int i = 0; i < 4; ++i) repeated += "- *a\n";
  EXPECT_EQ(error_of(repeated), "f:1: the file has too many values");
}

}  // namespace
}  // namespace sluice::runtime
