// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/level_profile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {
namespace {

BytesLine without_fixed(std::span<const BytesPoint> points) {
  double sum = 0.0;
  for (const BytesPoint& point : points) sum += point.bytes / point.tokens;
  return {0.0, points.empty() ? 0.0 : sum / static_cast<double>(points.size())};
}

const PipelineSummary* summary_of(const std::string& pipeline,
                                  std::span<const PipelineSummary> summaries) {
  const auto found =
      std::find_if(summaries.begin(), summaries.end(), [&](const PipelineSummary& summary) {
        return summary.pipeline == pipeline && summary.task == "all";
      });
  return found == summaries.end() ? nullptr : &*found;
}

}  // namespace

BytesLine fit_bytes(std::span<const BytesPoint> points) {
  const auto count = static_cast<double>(points.size());
  if (points.size() < 3) return without_fixed(points);
  // bytes / tokens over 1 / tokens: the slope is the fixed part.
  double mean_u = 0.0;
  double mean_v = 0.0;
  for (const auto& [tokens, bytes] : points) {
    mean_u += 1.0 / tokens / count;
    mean_v += bytes / tokens / count;
  }
  double uu = 0.0;
  double uv = 0.0;
  for (const auto& [tokens, bytes] : points) {
    uu += (1.0 / tokens - mean_u) * (1.0 / tokens - mean_u);
    uv += (1.0 / tokens - mean_u) * (bytes / tokens - mean_v);
  }
  if (uu <= 0.0) return without_fixed(points);
  const double fixed = uv / uu;
  const double per_token = mean_v - fixed * mean_u;
  double residual = 0.0;
  for (const auto& [tokens, bytes] : points) {
    const double error = bytes / tokens - per_token - fixed / tokens;
    residual += error * error;
  }
  const double deviation = std::sqrt(residual / (count - 2.0) / uu);
  if (fixed <= 2.0 * deviation || per_token < 0.0) return without_fixed(points);
  return {fixed, per_token};
}

std::vector<scheduler::Level> levels_of(std::span<const LevelCost> costs,
                                        std::span<const Outcome> outcomes) {
  const auto summaries = summarize(outcomes);
  std::vector<scheduler::Level> levels;
  for (const LevelCost& cost : costs) {
    const PipelineSummary* summary = summary_of(cost.pipeline, summaries);
    if (summary == nullptr) continue;
    std::vector<BytesPoint> points;
    for (const Outcome& outcome : outcomes) {
      if (outcome.pipeline != cost.pipeline || outcome.tokens <= 0) continue;
      points.push_back({static_cast<double>(outcome.tokens), static_cast<double>(outcome.bytes)});
    }
    const BytesLine bytes = fit_bytes(points);
    scheduler::Level level;
    level.pipeline = cost.pipeline;
    level.stages = cost.stages;
    level.bytes_per_token = bytes.per_token;
    level.bytes_fixed = bytes.fixed;
    level.encode_s_per_token = cost.encode_s_per_token;
    level.decode_s_per_token = cost.decode_s_per_token;
    // Rounding can take a divergence of nothing below 0.
    level.kl = std::max(summary->kl.mean, 0.0);
    level.kl_high = std::max(summary->kl.high, level.kl);
    const double growth = summary->nll_relative.mean - 1.0;
    level.nll_growth = std::isfinite(growth) ? growth : 0.0;  // an answer that was certain
    level.top1 = std::clamp(summary->top1.mean, 0.0, 1.0);
    level.is_streaming = cost.is_streaming;
    levels.push_back(level);
  }
  return levels;
}

std::string level_table_text(std::span<const scheduler::Level> levels,
                             std::span<const scheduler::Level> kept, double raw_bytes_per_token) {
  std::string text =
      "level          bytes/token    ratio   + fixed   encode     decode       KL   (95 %)     NLL"
      "   top-1\n";
  for (const scheduler::Level& level : levels) {
    const bool is_kept = std::find(kept.begin(), kept.end(), level) != kept.end();
    const auto rate = [&](double s_per_token) {
      return s_per_token > 0.0 ? raw_bytes_per_token / s_per_token / 1e9 : 0.0;
    };
    text += fmt::format(
        "{:<14} {:>11.0f} {:>7.2f}x {:>9.0f} {:>6.2f} GB/s {:>6.2f} GB/s {:>8.4f} {:>8.4f} "
        "{:>+6.1f} % "
        "{:>6.3f}{}\n",
        level.pipeline, level.bytes_per_token, raw_bytes_per_token / level.bytes_per_token,
        level.bytes_fixed, rate(level.encode_s_per_token), rate(level.decode_s_per_token), level.kl,
        level.kl_high, 100.0 * level.nll_growth, level.top1, is_kept ? "" : "   beaten");
  }
  return text;
}

}  // namespace sluice::runtime
