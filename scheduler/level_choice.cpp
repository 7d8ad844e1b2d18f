// SPDX-License-Identifier: Apache-2.0
#include "scheduler/level_choice.hpp"

#include <algorithm>

namespace sluice::scheduler {
namespace {

// Where the prompt alone takes longer than the objective, levels that add no more than this to it
// are as good as in time: to lose quality would gain nothing.
constexpr double kUnavoidableShare = 1.05;
// Of two levels that are both late, the other one must be sooner by this share to be worth a
// change.
constexpr double kGainShare = 0.95;

// Seconds until the first token when all that is left goes at this level: the slowest of the stages
// that overlap. Link and codecs are taken to work at `share` of their speed.
double seconds_left(const LevelTable& levels, const Level& level, const HandoffProgress& progress,
                    const LinkOutlook& link, double codec_slowness, double share) {
  const double tokens =
      levels.raw_bytes_per_token > 0.0 ? progress.raw_bytes_left / levels.raw_bytes_per_token : 0.0;
  const double bytes = progress.wire_bytes_left + static_cast<double>(link.queued_bytes) +
                       tokens * level.bytes_per_token;
  const double codec_s_per_token = std::max(level.encode_s_per_token, level.decode_s_per_token);
  return std::max({progress.prefill_left_s, bytes / (share * link.bytes_per_s),
                   tokens * codec_s_per_token * codec_slowness / share}) +
         link.round_trip_s + progress.after_s;
}

}  // namespace

std::int32_t choose_next_level(const LevelTable& levels, std::span<const std::int32_t> candidates,
                               std::int32_t now, const HandoffProgress& progress,
                               const LinkOutlook& link, double codec_slowness,
                               const LevelSwitchOptions& options) {
  if (link.bytes_per_s <= 0.0 || progress.raw_bytes_left <= 0.0) return now;
  const auto level_of = [&](std::int32_t index) -> const Level& {
    return levels.levels[static_cast<std::size_t>(index)];
  };
  const auto seconds = [&](std::int32_t index, double share) {
    return seconds_left(levels, level_of(index), progress, link, codec_slowness, share);
  };
  const double limit_s = std::max(
      options.slo_share * progress.time_left_s,
      kUnavoidableShare * (progress.prefill_left_s + link.round_trip_s + progress.after_s));
  const double now_s = seconds(now, 1.0);
  const bool is_late = now_s > limit_s;
  std::int32_t best = now;  // the least loss in time
  std::int32_t soonest = now;
  double soonest_s = now_s;
  for (const std::int32_t candidate : candidates) {
    const double candidate_s = seconds(candidate, 1.0);
    if (candidate_s < soonest_s) {
      soonest = candidate;
      soonest_s = candidate_s;
    }
    const bool is_in_time =
        is_late ? candidate_s <= limit_s : seconds(candidate, options.finer_share) <= limit_s;
    if (!is_in_time) continue;
    const bool is_first = is_late && best == now;
    if (is_first || level_of(candidate).kl < level_of(best).kl) best = candidate;
  }
  if (!is_late || best != now) return best;
  return soonest_s <= kGainShare * now_s ? soonest : now;
}

}  // namespace sluice::scheduler
