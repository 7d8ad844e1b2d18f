// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/decode_status.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

// Of a new measurement: a change shows after some ten, one that was disturbed hardly does.
constexpr double kWeight = 0.1;
// Beyond these the table was measured for something else.
constexpr double kSlownessMin = 0.01;
constexpr double kSlownessMax = 100.0;

double seconds(std::int64_t us) { return static_cast<double>(us) * 1e-6; }

void smooth(double& mean, double value, bool has_mean) {
  mean = has_mean ? mean + kWeight * (value - mean) : value;
}

}  // namespace

void DecodeStatus::stepped(std::int64_t took_us) {
  if (took_us > 0) smooth(status_.step_s, seconds(took_us), status_.step_s > 0);
}

void DecodeStatus::prefilled(std::int64_t tokens, std::int64_t took_us) {
  if (tokens <= 0 || took_us <= 0) return;
  smooth(status_.prefill_s_per_token, seconds(took_us) / static_cast<double>(tokens),
         status_.prefill_s_per_token > 0);
}

void DecodeStatus::unpacked(const std::string& pipeline, std::int64_t tokens,
                            std::int64_t took_us) {
  if (levels_ == nullptr || tokens <= 0 || took_us <= 0) return;
  const auto level =
      std::find_if(levels_->levels.begin(), levels_->levels.end(),
                   [&](const scheduler::Level& each) { return each.pipeline == pipeline; });
  if (level == levels_->levels.end() || level->decode_s_per_token <= 0) return;
  const double ratio = seconds(took_us) / (level->decode_s_per_token * static_cast<double>(tokens));
  smooth(status_.codec_slowness, std::clamp(ratio, kSlownessMin, kSlownessMax), has_slowness_);
  has_slowness_ = true;
}

std::optional<StatusMessage> DecodeStatus::due(std::int64_t now_us, bool has_work,
                                               std::int64_t free_tokens) {
  if (sent_us_ && now_us - *sent_us_ < kIntervalUs) return std::nullopt;
  if (sent_us_ && !has_work && free_tokens == status_.free_tokens) return std::nullopt;
  sent_us_ = now_us;
  status_.free_tokens = free_tokens;
  return status_;
}

}  // namespace sluice::runtime
