// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/normalizer.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

using Kind = NormalizeStep::Kind;

TEST(Normalizer, KnowsTheUnicodeForms) {
  const std::string text = "e\u0301 \uFB01";
  EXPECT_EQ(normalize({{.kind = Kind::kNfc}}, text), "\u00e9 \uFB01");
  EXPECT_EQ(normalize({{.kind = Kind::kNfd}}, "\u00e9"), "e\u0301");
  EXPECT_EQ(normalize({{.kind = Kind::kNfkc}}, text), "\u00e9 fi");
  EXPECT_EQ(normalize({{.kind = Kind::kNfkd}}, "\u00e9\uFB01"), "e\u0301fi");
}

TEST(Normalizer, LeavesInvalidBytesAlone) {
  EXPECT_EQ(normalize({{.kind = Kind::kNfc}},
                      "e\u0301\xFF"
                      "e\u0301"),
            "\u00e9\xFF\u00e9");
}

TEST(Normalizer, AppliesStepsInOrder) {
  const std::vector<NormalizeStep> steps = {
      {.kind = Kind::kPrepend, .content = " "},
      {.kind = Kind::kReplace, .pattern = " ", .content = "_"}};
  EXPECT_EQ(normalize(steps, "a b"), "_a_b");
  EXPECT_EQ(normalize(steps, ""), "");
}

TEST(Normalizer, ReplacesWithoutOverlap) { EXPECT_EQ(replace_all("aaaa", "aa", "a"), "aa"); }

}  // namespace
}  // namespace sluice::runtime
