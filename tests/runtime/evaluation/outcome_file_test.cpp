// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/outcome_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "tests/support/temporary_folder.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

Outcome outcome(const std::string& key) {
  Outcome made;
  made.key = key;
  made.task = "needle";
  made.item = "512/0.25";
  made.pipeline = "int4";
  made.tokens = 500;
  made.length = 512;
  made.depth = 0.25;
  made.keys = 4;
  made.raw_bytes = 1000;
  made.bytes = 300;
  made.encode_s = 0.125;
  made.decode_s = 0.0625;
  made.score = 0.1;  // not a binary fraction
  made.exact_match = 1.0;
  made.nll = 1.0 / 3.0;
  made.kl = 1e-300;
  made.top1 = 0.75;
  made.own_kl = 0.5;
  made.own_top1 = 1.0;
  made.said = "line\nbreak, \"quoted\"";
  return made;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(OutcomeLine, KeepsEveryField) {
  const Outcome was = outcome("k");
  const std::string line = outcome_line(was);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto is = parse_outcome(line);
  ASSERT_TRUE(is) << is.error().message;
  EXPECT_EQ(outcome_line(*is), line);
  EXPECT_EQ(is->said, was.said);
  EXPECT_EQ(is->nll, was.nll);
  EXPECT_EQ(is->kl, was.kl);
  EXPECT_EQ(is->keys, 4);
  EXPECT_EQ(is->ratio(), was.ratio());
}

TEST(OutcomeLine, NotANumberAndHalfACharacterSurvive) {
  Outcome was = outcome("k");
  was.kl = std::numeric_limits<double>::quiet_NaN();
  was.said = "caf\xc3";
  const auto is = parse_outcome(outcome_line(was));
  ASSERT_TRUE(is) << is.error().message;
  EXPECT_TRUE(std::isnan(is->kl));
  EXPECT_THAT(is->said, HasSubstr("caf"));
}

TEST(OutcomeLine, UnknownFieldsArePassedOverAndMissingOnesAreAsNew) {
  const auto is = parse_outcome(R"({"key": "k", "later": [1, 2], "score": 1})");
  ASSERT_TRUE(is) << is.error().message;
  EXPECT_EQ(is->score, 1.0);
  EXPECT_EQ(is->tokens, 0);
}

TEST(OutcomeLine, WhatIsNoOutcomeIsRefused) {
  for (const char* line : {"", "[]", "{", "{}", R"({"key": 1})", R"({"key": "k", "tokens": 1.5})",
                           R"({"key": "k", "nll": "1"})"}) {
    const auto is = parse_outcome(line);
    ASSERT_FALSE(is) << line;
    EXPECT_EQ(is.error().code, ErrorCode::kCorrupt);
  }
}

TEST(OutcomeFile, HasAgainWhatWasAppended) {
  const tests::TemporaryFolder folder;
  const auto path = folder.path() / "o.jsonl";
  {
    auto file = OutcomeFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->find("a"), nullptr);
    ASSERT_TRUE(file->append(outcome("a")));
    ASSERT_TRUE(file->append(outcome("b")));
    ASSERT_NE(file->find("a"), nullptr);
  }
  const auto file = OutcomeFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_NE(file->find("b"), nullptr);
  EXPECT_EQ(file->find("b")->nll, outcome("b").nll);
  EXPECT_EQ(file->find("c"), nullptr);
}

// Wherever a stop cut it off, the lines before count and new ones begin at a line's start.
TEST(OutcomeFile, ALastLineCutOffIsLeftOut) {
  const tests::TemporaryFolder folder;
  const std::string whole = outcome_line(outcome("a")) + "\n";
  const std::string second = outcome_line(outcome("b")) + "\n";
  for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, second.size() / 2, second.size() - 1}) {
    SCOPED_TRACE(bytes);
    const auto path = folder.write("o.jsonl", whole + second.substr(0, bytes));
    auto file = OutcomeFile::open(path);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_NE(file->find("a"), nullptr);
    EXPECT_EQ(file->find("b"), nullptr);
    ASSERT_TRUE(file->append(outcome("c")));
    EXPECT_EQ(content(path), whole + outcome_line(outcome("c")) + "\n");
  }
}

TEST(OutcomeFile, AnotherBadLineIsNamed) {
  const tests::TemporaryFolder folder;
  const auto path = folder.write(
      "o.jsonl", outcome_line(outcome("a")) + "\nnonsense\n" + outcome_line(outcome("b")) + "\n");
  const auto file = OutcomeFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(file.error().message, HasSubstr("o.jsonl, line 2: "));
}

TEST(OutcomeFile, AFolderThatIsNotThereIsSaid) {
  const tests::TemporaryFolder folder;
  const auto file = OutcomeFile::open(folder.path() / "none" / "o.jsonl");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("cannot write"));
}

}  // namespace
}  // namespace sluice::runtime
