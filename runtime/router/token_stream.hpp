// SPDX-License-Identifier: Apache-2.0
// The queue between whoever makes tokens and the one thread that pulls them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "runtime/request/generate.hpp"

namespace sluice::runtime {

// Shared by the producing side; any thread.
class TokenStream {
 public:
  explicit TokenStream(std::int64_t submitted_us) : submitted_us_(submitted_us) {}

  // `timeline`: the workers' part so far; times seen by the user are filled in here. `now_us` and
  // `submitted_us` are on one clock.
  void push(const GenerateEvent& event, const RequestTimeline& timeline, std::int64_t now_us);
  void fail(Error error, double retry_after_s = 0.0);

  Result<GenerateEvent> next();
  bool has_next() const;
  RequestTimeline timeline() const;
  double retry_after_s() const;
  bool is_over() const;

 private:
  const std::int64_t submitted_us_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<GenerateEvent> events_;
  std::optional<Error> error_;
  double retry_after_s_ = 0.0;
  bool over_ = false;
  RequestTimeline timeline_;
  std::int64_t first_token_us_ = 0;
  std::int64_t total_us_ = 0;
};

// The user's end of a TokenStream: `cancel` is called at most once, also when it is dropped early.
std::unique_ptr<GenerateStream> make_generate_stream(std::shared_ptr<TokenStream> stream,
                                                     std::function<void()> cancel);

}  // namespace sluice::runtime
