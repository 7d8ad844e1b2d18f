// SPDX-License-Identifier: Apache-2.0
// A tokenizer whose tokens are bytes, and a generator that plays a script: for tests of the front.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/request/generate.hpp"

namespace sluice::runtime {

// Ids 0 to 255 are bytes, 256 ends an answer, 257 begins a prompt.
class FakeTokenizer : public Tokenizer {
 public:
  // As SentencePiece vocabularies do: a text loses its first space.
  bool strips_left = false;
  std::int64_t bytes_max = 0;            // of a token, for tokens_min(); 0: no bound
  mutable std::atomic<int> encoded = 0;  // calls of encode()

  static constexpr TokenId kEnd = 256;
  static constexpr TokenId kBegin = 257;

  std::vector<TokenId> encode(std::string_view text, EncodeOptions options) const override {
    ++encoded;
    std::vector<TokenId> ids;
    if (options.add_special) ids.push_back(kBegin);
    for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
    return ids;
  }
  std::string decode(std::span<const TokenId> tokens, bool) const override {
    std::string text;
    for (const TokenId token : tokens) {
      if (token < 256) text += static_cast<char>(token);
    }
    if (strips_left && text.starts_with(' ')) text.erase(0, 1);
    return text;
  }
  std::int64_t tokens_min(std::string_view text) const override {
    return bytes_max == 0 ? 0
                          : (static_cast<std::int64_t>(text.size()) + bytes_max - 1) / bytes_max;
  }
  std::int64_t vocab_size() const override { return 258; }
  std::optional<TokenId> bos() const override { return kBegin; }
  std::span<const TokenId> end_of_text() const override { return end_; }
  const std::string& chat_template() const override { return no_template_; }

 private:
  std::vector<TokenId> end_ = {kEnd};
  std::string no_template_;
};

struct ScriptStep {
  ScriptStep(GenerateEvent what) : event(what) {}                     // NOLINT: implicit
  ScriptStep(Error what) : is_error(true), error(std::move(what)) {}  // NOLINT: implicit
  GenerateEvent event;
  bool is_error = false;
  Error error;
};

// The bytes of `text`, the last one with `finish`.
inline std::vector<ScriptStep> script_of(std::string_view text,
                                         FinishReason finish = FinishReason::kNone) {
  std::vector<ScriptStep> steps;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto last = i + 1 == text.size() ? finish : FinishReason::kNone;
    steps.push_back(GenerateEvent{static_cast<unsigned char>(text[i]), last});
  }
  return steps;
}

// What streams tell the test: how many were cancelled, and how many are there.
struct StreamLedger {
  std::mutex mutex;
  std::condition_variable changed;
  int cancelled = 0;
  int blocked = 0;  // in next(), after the end of the script
  int alive = 0;

  // False when it does not come about: tests then fail rather than hang.
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), condition);
  }
};

// Plays the steps; after the last one, next() waits to be cancelled.
class FakeStream : public GenerateStream {
 public:
  FakeStream(std::vector<ScriptStep> steps, StreamLedger& ledger)
      : steps_(std::move(steps)), ledger_(ledger) {
    change([&] { ++ledger_.alive; });
  }
  ~FakeStream() override {
    change([&] { --ledger_.alive; });
  }
  Result<GenerateEvent> next() override {
    if (at_ < steps_.size()) {
      const ScriptStep& step = steps_[at_++];
      if (step.is_error) return step.error;
      return step.event;
    }
    std::unique_lock lock(ledger_.mutex);
    ++ledger_.blocked;
    ledger_.changed.notify_all();
    ledger_.changed.wait(lock, [&] { return is_cancelled_; });
    return GenerateEvent{0, FinishReason::kCancelled};
  }
  void cancel() override {
    change([&] {
      if (!std::exchange(is_cancelled_, true)) ++ledger_.cancelled;
    });
  }
  RequestTimeline timeline() const override { return {}; }
  double retry_after_s() const override { return retry_after; }

  double retry_after = 0.0;

 private:
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(ledger_.mutex);
    change();
    ledger_.changed.notify_all();
  }

  const std::vector<ScriptStep> steps_;
  std::size_t at_ = 0;
  bool is_cancelled_ = false;
  StreamLedger& ledger_;
};

class FakeGenerator : public Generator {
 public:
  Result<std::unique_ptr<GenerateStream>> submit(GenerateRequest request) override {
    const std::lock_guard lock(mutex_);
    last = std::move(request);
    if (refusal) return *refusal;
    auto stream = std::make_unique<FakeStream>(script, ledger);
    stream->retry_after = retry_after_s;
    return std::unique_ptr<GenerateStream>(std::move(stream));
  }

  // Set before requests are sent.
  std::vector<ScriptStep> script = script_of("Hello", FinishReason::kLength);
  std::optional<Error> refusal;
  double retry_after_s = 0.0;
  // Read after they are answered.
  GenerateRequest last;
  StreamLedger ledger;

 private:
  std::mutex mutex_;
};

}  // namespace sluice::runtime
