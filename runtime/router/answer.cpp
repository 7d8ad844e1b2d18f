// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/answer.hpp"

namespace sluice::runtime {

Answer::Answer(std::unique_ptr<GenerateStream> stream, const Tokenizer& tokenizer,
               std::vector<std::string> stops, bool continues)
    : stream_(std::move(stream)), decoder_(tokenizer, continues), stop_text_(std::move(stops)) {}

Result<AnswerPiece> Answer::next() {
  const GenerateEvent event = SLUICE_TRY(stream_->next());
  if (event.finish == FinishReason::kCancelled) {
    return make_error(ErrorCode::kCancelled, "the request was cancelled");
  }
  ++tokens_;
  AnswerPiece piece;
  piece.finish = event.finish;
  std::string text;
  // The token that ends an answer is not part of its text.
  if (event.finish != FinishReason::kStop) text = decoder_.push(event.token);
  if (event.finish != FinishReason::kNone) text += decoder_.finish();
  piece.text = stop_text_.push(text);
  if (stop_text_.is_matched()) {
    if (piece.finish == FinishReason::kNone) stream_->cancel();
    piece.finish = FinishReason::kStop;
  } else if (piece.finish != FinishReason::kNone) {
    piece.text += stop_text_.finish();
  }
  return piece;
}

}  // namespace sluice::runtime
