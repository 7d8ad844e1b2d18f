// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_status.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

// Of a new step: a change shows after some ten, one that was disturbed hardly does.
constexpr double kWeight = 0.1;

double seconds(std::int64_t us) { return static_cast<double>(us) * 1e-6; }

}  // namespace

void DecodeStatus::stepped(std::int64_t took_us) {
  if (took_us <= 0) return;
  step_s_ = step_s_ > 0 ? step_s_ + kWeight * (seconds(took_us) - step_s_) : seconds(took_us);
}

void DecodeStatus::prefilled(std::int64_t tokens, std::int64_t before, std::int64_t took_us) {
  if (tokens > 0 && took_us > 0) prefill_speed_.add(tokens, before, seconds(took_us));
}

void DecodeStatus::unpacked(const std::string& pipeline, std::int64_t tokens,
                            std::int64_t took_us) {
  if (levels_ == nullptr || tokens <= 0) return;
  const auto level =
      std::find_if(levels_->levels.begin(), levels_->levels.end(),
                   [&](const scheduler::Level& each) { return each.pipeline == pipeline; });
  if (level == levels_->levels.end()) return;
  codec_slowness_.add(seconds(took_us), level->decode_s_per_token * static_cast<double>(tokens));
}

std::optional<StatusMessage> DecodeStatus::due(std::int64_t now_us, bool has_work,
                                               std::int64_t free_tokens) {
  if (sent_us_ && now_us - *sent_us_ < kIntervalUs) return std::nullopt;
  if (sent_us_ && !has_work && free_tokens == told_free_tokens_) return std::nullopt;
  sent_us_ = now_us;
  told_free_tokens_ = free_tokens;
  const scheduler::WorkerSpeed speed = prefill_speed_.speed();
  StatusMessage status;
  status.free_tokens = free_tokens;
  status.step_s = step_s_;
  status.prefill_fixed_s = speed.fixed_s;
  status.prefill_s_per_token = speed.s_per_token;
  status.prefill_s_per_token_squared = speed.s_per_token_squared;
  status.codec_slowness = codec_slowness_.value();
  return status;
}

}  // namespace sluice::runtime
