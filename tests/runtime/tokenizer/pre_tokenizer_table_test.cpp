// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/pre_tokenizer_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/tokenizer/splitter.hpp"

namespace sluice::runtime {
namespace {

using Strings = std::vector<std::string>;

Strings split(const char* name, std::string_view text) {
  const auto* row = find_pre_tokenizer(name);
  EXPECT_NE(row, nullptr) << name;
  std::vector<SplitStep> steps;
  for (const auto pattern : row->patterns) steps.push_back({.pattern = std::string(pattern)});
  const auto splitter = Splitter::make(steps);
  EXPECT_TRUE(splitter) << name;
  Splitter::Scan scan(*splitter);
  const auto& pieces = scan.split(text);
  return {pieces.begin(), pieces.end()};
}

TEST(PreTokenizerTable, FamiliesCutNumbersTheirWay) {
  EXPECT_EQ(split("gpt-2", "a 1234"), (Strings{"a", " 1234"}));
  EXPECT_EQ(split("smollm", "a 123"), (Strings{"a", " ", "1", "2", "3"}));
  EXPECT_EQ(split("llama-bpe", "a 1234"), (Strings{"a", " ", "123", "4"}));
  EXPECT_EQ(split("qwen2", "a12"), (Strings{"a", "1", "2"}));
  EXPECT_EQ(split("deepseek-v3", "a1234"), (Strings{"a", "123", "4"}));
}

TEST(PreTokenizerTable, FamiliesCutWordsTheirWay) {
  EXPECT_EQ(split("gpt-2", "I'LL don't"), (Strings{"I", "'", "LL", " don", "'t"}));
  EXPECT_EQ(split("llama-bpe", "I'LL don't"), (Strings{"I", "'LL", " don", "'t"}));
  EXPECT_EQ(split("tekken", "camelCase"), (Strings{"camel", "Case"}));
  EXPECT_EQ(split("gpt-4o", "don't"), Strings{"don't"});
  EXPECT_EQ(split("deepseek-coder", "a\n\u4F60\u597D"), (Strings{"a", "\n", "\u4F60\u597D"}));
}

TEST(PreTokenizerTable, AnUnknownNameHasNoRow) {
  EXPECT_EQ(find_pre_tokenizer("smollm3"), nullptr);
  EXPECT_THAT(pre_tokenizer_names(), ::testing::HasSubstr("smollm, "));
}

}  // namespace
}  // namespace sluice::runtime
