// SPDX-License-Identifier: Apache-2.0
// The evaluator on real weights, where answers mean something.
#include <gtest/gtest.h>

#include "runtime/evaluation/evaluator.hpp"
#include "runtime/tokenizer/chat_template.hpp"
#include "tests/runtime/evaluation/tiny_evaluation.hpp"

namespace sluice::runtime {
namespace {

TEST(EvaluatorModel, TwoShortItemsLoseLittleWithManyBitsAndMuchWithFew) {
  const std::string path = SLUICE_DEFAULT_MODEL;
  if (path.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const auto file = ModelFile::open(path);
  ASSERT_TRUE(file) << file.error().message;
  const auto tokenizer = Tokenizer::open(**file);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const EvaluationModel model{
      file->get(), tokenizer->get(), [&](const std::string& text) -> Result<std::vector<TokenId>> {
        const ChatMessage message{"user", text};
        const auto chat =
            SLUICE_TRY(render_chat((*tokenizer)->chat_template(), {&message, 1}, true));
        return (*tokenizer)->encode(chat, {.add_special = false, .parse_special = true});
      }};
  EvaluationItem capital;
  capital.task = "squad";
  capital.id = "capital";
  capital.question = "What is the capital of France?";
  capital.prompt =
      "Paris is the capital of France, Rome of Italy, and Madrid of Spain.\n\n" + capital.question;
  capital.answers = {"Paris"};
  EvaluationItem letter = capital;
  letter.task = "mmlu";
  letter.id = "letter";
  letter.choices = {"A", "B", "C", "D"};
  letter.answers = {"A"};
  std::vector<EvaluationJob> jobs;
  for (const EvaluationItem& item : {capital, letter}) {
    jobs.push_back({item, {}});
    for (const char* stages : {"", "rtn: { bits: 8, group: 32 }", "rtn: { bits: 2, group: 64 }"}) {
      jobs.back().pipelines.push_back(
          parse_pipeline(std::string("name: p\nsummary: s\nstages: [") + stages + "]\n", "p")
              .value());
    }
  }
  const tests::TemporaryFolder folder;
  auto outcomes_file = OutcomeFile::open(folder.path() / "o.jsonl");
  ASSERT_TRUE(outcomes_file);
  EvaluationOptions options;
  options.threads = 2;
  const auto outcomes = evaluate(jobs, model, options, *outcomes_file);
  ASSERT_TRUE(outcomes) << outcomes.error().message;
  ASSERT_EQ(outcomes->size(), 8U);
  for (std::size_t first : {std::size_t{0}, std::size_t{4}}) {
    const auto& full = (*outcomes)[first];
    const auto& raw = (*outcomes)[first + 1];
    const auto& eight = (*outcomes)[first + 2];
    const auto& two = (*outcomes)[first + 3];
    EXPECT_EQ(raw.nll, full.nll);
    EXPECT_EQ(raw.said, full.said);
    EXPECT_LT(eight.kl, 0.01);
    EXPECT_LT(eight.own_kl, 0.01);
    EXPECT_GT(two.kl, 10 * eight.kl);
    EXPECT_GT(two.ratio(), 3 * eight.ratio() / 2);
  }
  EXPECT_NE((*outcomes)[0].said.find("Paris"), std::string::npos) << (*outcomes)[0].said;
  EXPECT_GT((*outcomes)[0].score, 0.0);
}

}  // namespace
}  // namespace sluice::runtime
