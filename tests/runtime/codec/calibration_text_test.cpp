// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/calibration_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

TEST(CalibrationText, HasPassagesQuestionsAndAnswers) {
  const auto passages = parse_passages(
      "=== passage\nA b.\n\nC.\n=== question\nWhat?\n=== answer\nC\n=== passage\nAlone.");
  ASSERT_TRUE(passages);
  ASSERT_EQ(passages->size(), 2U);
  EXPECT_EQ((*passages)[0].text, "A b.\n\nC.");
  EXPECT_EQ((*passages)[0].question, "What?");
  EXPECT_EQ((*passages)[0].answer, "C");
  EXPECT_EQ((*passages)[1].text, "Alone.");
  EXPECT_EQ((*passages)[1].question, "");
}

TEST(CalibrationText, WithoutMarkersIsOnePassage) {
  const auto passages = parse_passages("\nJust a text.\nOf two lines.\n");
  ASSERT_TRUE(passages);
  ASSERT_EQ(passages->size(), 1U);
  EXPECT_EQ((*passages)[0].text, "Just a text.\nOf two lines.");
}

TEST(CalibrationText, SaysWhatIsWrong) {
  EXPECT_THAT(parse_passages("=== question\nWhat?").error().message,
              HasSubstr("line 1: '=== question' has no passage"));
  EXPECT_THAT(parse_passages("=== passage\n \n=== passage\nx").error().message,
              HasSubstr("is empty"));
}

TEST(CalibrationText, ThatComesAlongIsWhole) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/launch/calibration.txt");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto passages = parse_passages(text);
  ASSERT_TRUE(passages) << passages.error().message;
  EXPECT_EQ(passages->size(), 16U);
  for (const Passage& passage : *passages) {
    EXPECT_GT(passage.text.size(), 2000U);
    EXPECT_THAT(passage.text, HasSubstr(passage.answer));
    EXPECT_FALSE(passage.question.empty());
  }
}

}  // namespace
}  // namespace sluice::runtime
