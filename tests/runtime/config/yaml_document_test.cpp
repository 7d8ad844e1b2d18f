// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/yaml_document.hpp"

#include <gtest/gtest.h>

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

TEST(YamlDocument, KeysMustBeWords) {
  const Result<YamlNode> root = parse_yaml("[a, b]: c\n", "f");
  ASSERT_FALSE(root.has_value());
  EXPECT_EQ(root.error().message, "f:1: a key must be a plain word");
}

}  // namespace
}  // namespace sluice::runtime
