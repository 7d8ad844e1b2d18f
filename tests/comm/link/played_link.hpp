// SPDX-License-Identifier: Apache-2.0
// A link in virtual time for tests of what measures links: a sender's window of writes, a socket's
// buffer that takes them, a card that sends the buffer's bytes and other people's, and counts both.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>

#include "comm/link/link_meter.hpp"
#include "comm/link/pace.hpp"

namespace sluice::comm {

struct PlayedLinkOptions {
  double bytes_per_s = 125e6;  // of payload, everybody's
  double buffer_bytes = 4e6;   // that the kernel takes before it waits for the card
  double framing = 1.046;      // bytes that the card counts for a byte of payload
  bool has_card = true;
  bool has_flush = true;
};

class PlayedLink {
 public:
  explicit PlayedLink(PlayedLinkOptions options) : options_(options) {}

  LinkMeter meter;

  void set_rate(double bytes_per_s) { options_.bytes_per_s = bytes_per_s; }
  // What others send, which has its share before us.
  void set_other(double bytes_per_s) { other_ = bytes_per_s; }
  std::int64_t now_us() const { return now_us_; }
  LinkEstimate estimate() const { return meter.estimate(now_us_); }

  // Bytes to send, now or as they come.
  void queue(std::size_t bytes) {
    waiting_ += bytes;
    meter.queued(bytes, now_us_);
  }

  // Turns of 200 us; a queue that shall never be empty is filled before each.
  void run(std::int64_t us, bool is_full = false) {
    for (const std::int64_t end_us = now_us_ + us; now_us_ < end_us;) {
      if (is_full && waiting_ < kFull) queue(kFull);
      post();
      now_us_ += kTurnUs;
      send();
      complete();
      if (options_.has_card && now_us_ % kCardUs == 0) {
        meter.nic({static_cast<std::uint64_t>(counted_), 0, 1.25e9}, now_us_);
      }
    }
  }

 private:
  struct Write {
    std::size_t bytes = 0;
    std::int64_t posted_us = 0;
  };

  void post() {
    const Pace pace = pace_for(estimate());
    while (waiting_ > 0 && on_link_ < pace.window_bytes) {
      const std::size_t bytes = std::min(waiting_, pace.chunk_bytes);
      waiting_ -= bytes;
      on_link_ += bytes;
      writes_.push_back({bytes, now_us_});
    }
  }

  void send() {
    const double seconds = static_cast<double>(kTurnUs) * 1e-6;
    const double free = std::max(options_.bytes_per_s - other_, 0.0) * seconds;
    // The buffer takes what the card sends, and what it still has room for.
    double to_buffer = std::min(free + options_.buffer_bytes - buffered_, unbuffered());
    buffered_ += to_buffer;
    taken_ += to_buffer;
    const double sent = std::min(free, buffered_);
    buffered_ -= sent;
    counted_ += (sent + std::min(other_, options_.bytes_per_s) * seconds) * options_.framing;
  }

  double unbuffered() const { return static_cast<double>(on_link_) - taken_; }

  void complete() {
    while (!writes_.empty() && taken_ >= static_cast<double>(writes_.front().bytes) - 0.5) {
      const Write write = writes_.front();
      writes_.pop_front();
      taken_ -= static_cast<double>(write.bytes);
      on_link_ -= write.bytes;
      flush_posted_us_ = now_us_;
      needs_flush_ = options_.has_flush;
      meter.completed(write.bytes, write.posted_us, now_us_);
    }
    if (needs_flush_ && waiting_ == 0 && on_link_ == 0 && buffered_ < 0.5) {
      meter.flushed(flush_posted_us_, now_us_);
      needs_flush_ = false;
    }
  }

  static constexpr std::int64_t kTurnUs = 200;
  static constexpr std::int64_t kCardUs = 50'000;
  static constexpr std::size_t kFull = std::size_t{64} << 20;

  PlayedLinkOptions options_;
  double other_ = 0.0;
  std::int64_t now_us_ = 1'000'000;
  std::size_t waiting_ = 0;
  std::size_t on_link_ = 0;
  std::deque<Write> writes_;
  double taken_ = 0.0;  // of on_link_, by the buffer
  double buffered_ = 0.0;
  double counted_ = 0.0;
  bool needs_flush_ = false;
  std::int64_t flush_posted_us_ = 0;
};

}  // namespace sluice::comm
