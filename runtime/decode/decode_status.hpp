// SPDX-License-Identifier: Apache-2.0
// What a decode worker tells the router of itself: how fast it is, as of late, and how much room it
// has; and when to tell it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/telemetry/codec_slowness.hpp"
#include "runtime/telemetry/speed_fit.hpp"
#include "runtime/transfer/messages.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::runtime {

class DecodeStatus {
 public:
  // `levels` may be null: then nothing is known of what frames should cost.
  explicit DecodeStatus(std::shared_ptr<const scheduler::LevelTable> levels)
      : levels_(std::move(levels)) {}

  // One decode step of all that ran, with what of a prompt was computed beside it.
  void stepped(std::int64_t took_us);
  // `tokens` of a prompt were computed here behind `before` others, from the first step of them to
  // the answer's first token.
  void prefilled(std::int64_t tokens, std::int64_t before, std::int64_t took_us);
  // A prompt's frames, all of this pipeline, were taken apart: time of all threads together.
  void unpacked(const std::string& pipeline, std::int64_t tokens, std::int64_t took_us);

  // What to send now, if anything: at intervals while there is work, and when `free_tokens` has
  // become another number.
  std::optional<StatusMessage> due(std::int64_t now_us, bool has_work, std::int64_t free_tokens);

  static constexpr std::int64_t kIntervalUs = 200'000;  // at least, between two

 private:
  std::shared_ptr<const scheduler::LevelTable> levels_;
  double step_s_ = 0.0;
  SpeedFit prefill_speed_;
  CodecSlowness codec_slowness_;
  std::int64_t told_free_tokens_ = -1;
  std::optional<std::int64_t> sent_us_;
};

}  // namespace sluice::runtime
