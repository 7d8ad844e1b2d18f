// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/token_stream.hpp"

#include <atomic>

namespace sluice::runtime {
namespace {

class PulledStream : public GenerateStream {
 public:
  PulledStream(std::shared_ptr<TokenStream> stream, std::function<void()> cancel)
      : stream_(std::move(stream)), cancel_(std::move(cancel)) {}
  ~PulledStream() override {
    if (!stream_->is_over()) PulledStream::cancel();
  }
  PulledStream(const PulledStream&) = delete;
  PulledStream& operator=(const PulledStream&) = delete;

  Result<GenerateEvent> next() override { return stream_->next(); }
  bool has_next() const override { return stream_->has_next(); }
  void cancel() override {
    if (!cancelled_.exchange(true)) cancel_();
  }
  RequestTimeline timeline() const override { return stream_->timeline(); }
  double retry_after_s() const override { return stream_->retry_after_s(); }

 private:
  std::shared_ptr<TokenStream> stream_;
  std::function<void()> cancel_;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace

void TokenStream::push(const GenerateEvent& event, const RequestTimeline& timeline,
                       std::int64_t now_us) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    total_us_ = now_us - submitted_us_;
    if (first_token_us_ == 0) first_token_us_ = total_us_;
    timeline_ = timeline;
    events_.push_back(event);
    over_ = event.finish != FinishReason::kNone;
  }
  filled_.notify_one();
}

void TokenStream::fail(Error error, double retry_after_s) {
  {
    const std::lock_guard lock(mutex_);
    if (over_) return;
    error_ = std::move(error);
    retry_after_s_ = retry_after_s;
    over_ = true;
  }
  filled_.notify_one();
}

Result<GenerateEvent> TokenStream::next() {
  std::unique_lock lock(mutex_);
  filled_.wait(lock, [this] { return over_ || !events_.empty(); });
  if (events_.empty()) {
    if (error_) return *error_;
    return make_error(ErrorCode::kInvalidArgument, "the answer has ended already");
  }
  const GenerateEvent event = events_.front();
  events_.pop_front();
  return event;
}

bool TokenStream::has_next() const {
  const std::lock_guard lock(mutex_);
  return over_ || !events_.empty();
}

RequestTimeline TokenStream::timeline() const {
  const std::lock_guard lock(mutex_);
  RequestTimeline timeline = timeline_;
  timeline.first_token_us = first_token_us_;
  timeline.total_us = total_us_;
  return timeline;
}

double TokenStream::retry_after_s() const {
  const std::lock_guard lock(mutex_);
  return retry_after_s_;
}

bool TokenStream::is_over() const {
  const std::lock_guard lock(mutex_);
  return over_;
}

std::unique_ptr<GenerateStream> make_generate_stream(std::shared_ptr<TokenStream> stream,
                                                     std::function<void()> cancel) {
  return std::make_unique<PulledStream>(std::move(stream), std::move(cancel));
}

}  // namespace sluice::runtime
