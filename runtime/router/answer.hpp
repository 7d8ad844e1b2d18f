// SPDX-License-Identifier: Apache-2.0
// One answer as text: tokens pulled from the core, whole characters, ended by stop strings.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/request/generate.hpp"
#include "runtime/router/stop_text.hpp"

namespace sluice::runtime {

struct AnswerPiece {
  std::string text;                           // may be empty: a token that is not yet readable
  FinishReason finish = FinishReason::kNone;  // kStop or kLength: the last piece
};

// Pulled by one thread; dropping it cancels the request.
class Answer {
 public:
  // `continues`: as of StreamDecoder, for an answer that is appended to its prompt.
  Answer(std::unique_ptr<GenerateStream> stream, const Tokenizer& tokenizer,
         std::vector<std::string> stops, bool continues);

  // Blocks for one token. kCancelled after cancel(); other errors as the stream gives them.
  Result<AnswerPiece> next();

  // Any thread.
  void cancel() { stream_->cancel(); }

  // Complete after the last piece, unless a stop string cut the answer short.
  RequestTimeline timeline() const { return stream_->timeline(); }

  // When kResourceExhausted has ended it: after how many seconds to come again; 0: not known.
  double retry_after_s() const { return stream_->retry_after_s(); }

  // So far, the end token included.
  std::int64_t tokens() const { return tokens_; }

 private:
  std::unique_ptr<GenerateStream> stream_;
  StreamDecoder decoder_;
  StopText stop_text_;
  std::int64_t tokens_ = 0;
};

}  // namespace sluice::runtime
