// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/answer.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/router/fake_core.hpp"

namespace sluice::runtime {
namespace {

struct Outcome {
  std::vector<std::string> pieces;
  FinishReason finish = FinishReason::kNone;
  std::int64_t tokens = 0;
  std::string error;
  int cancelled = 0;
};

Outcome play(std::vector<ScriptStep> script, std::vector<std::string> stops = {}) {
  const FakeTokenizer tokenizer;
  StreamLedger ledger;
  Answer answer(std::make_unique<FakeStream>(std::move(script), ledger), tokenizer,
                std::move(stops), true);
  Outcome outcome;
  while (outcome.finish == FinishReason::kNone && outcome.error.empty()) {
    const Result<AnswerPiece> piece = answer.next();
    if (piece) {
      outcome.pieces.push_back(piece->text);
      outcome.finish = piece->finish;
    } else {
      outcome.error = piece.error().message;
    }
  }
  outcome.tokens = answer.tokens();
  outcome.cancelled = ledger.cancelled;
  return outcome;
}

using Pieces = std::vector<std::string>;

TEST(Answer, APieceForEachToken) {
  const Outcome outcome = play(script_of("abc", FinishReason::kLength));
  EXPECT_EQ(outcome.pieces, (Pieces{"a", "b", "c"}));
  EXPECT_EQ(outcome.finish, FinishReason::kLength);
  EXPECT_EQ(outcome.tokens, 3);
}

TEST(Answer, TheEndTokenHasNoText) {
  auto script = script_of("ab");
  script.push_back(GenerateEvent{'x', FinishReason::kStop});
  const Outcome outcome = play(script);
  EXPECT_EQ(outcome.pieces, (Pieces{"a", "b", ""}));
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
  EXPECT_EQ(outcome.tokens, 3);
}

TEST(Answer, CharactersComeWhole) {
  const Outcome outcome = play(script_of("\xc3\xa9!", FinishReason::kLength));
  EXPECT_EQ(outcome.pieces, (Pieces{"", "\xc3\xa9", "!"}));
}

TEST(Answer, AStopStringEndsAndCancels) {
  const Outcome outcome = play(script_of("one. two"), {". "});
  EXPECT_EQ(outcome.pieces, (Pieces{"o", "n", "e", "", ""}));
  EXPECT_EQ(outcome.finish, FinishReason::kStop);
  EXPECT_EQ(outcome.tokens, 5);
  EXPECT_EQ(outcome.cancelled, 1);
}

TEST(Answer, HeldTextComesWithTheLastToken) {
  const Outcome outcome = play(script_of("a.", FinishReason::kLength), {".."});
  EXPECT_EQ(outcome.pieces, (Pieces{"a", "."}));
}

TEST(Answer, ErrorsAndCancellation) {
  auto script = script_of("a");
  script.push_back(make_error(ErrorCode::kUnavailable, "the decode worker is gone"));
  EXPECT_EQ(play(script).error, "the decode worker is gone");
  EXPECT_EQ(play({GenerateEvent{0, FinishReason::kCancelled}}).error, "the request was cancelled");
}

}  // namespace
}  // namespace sluice::runtime
