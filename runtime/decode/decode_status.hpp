// SPDX-License-Identifier: Apache-2.0
// What a decode worker tells the router of itself: how fast it is, as of late, and how much room it
// has; and when to tell it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

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
  // A prompt was computed here: so many tokens, from the first step of it to its first token.
  void prefilled(std::int64_t tokens, std::int64_t took_us);
  // A prompt's frames, all of this pipeline, were taken apart: time of all threads together.
  void unpacked(const std::string& pipeline, std::int64_t tokens, std::int64_t took_us);

  // What to send now, if anything: at intervals while there is work, and when `free_tokens` has
  // become another number.
  std::optional<StatusMessage> due(std::int64_t now_us, bool has_work, std::int64_t free_tokens);

  static constexpr std::int64_t kIntervalUs = 200'000;  // at least, between two

 private:
  std::shared_ptr<const scheduler::LevelTable> levels_;
  StatusMessage status_;
  bool has_slowness_ = false;
  std::optional<std::int64_t> sent_us_;
};

}  // namespace sluice::runtime
