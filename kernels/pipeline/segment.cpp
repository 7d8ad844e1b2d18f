// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/segment.hpp"

#include <algorithm>
#include <array>

namespace sluice::kernels {
namespace {

// Segments of one set, empty but with room: by level, in order.
std::vector<Segment> empty_segments(const std::array<std::int64_t, 256>& counts,
                                    std::int64_t head_first, std::int64_t head_count) {
  std::vector<Segment> segments;
  for (std::size_t level = 1; level < counts.size(); ++level) {
    if (counts[level] == 0) continue;
    Segment& segment = segments.emplace_back();
    segment.head_first = head_first;
    segment.head_count = head_count;
    segment.level = static_cast<std::uint8_t>(level);
    segment.positions.reserve(static_cast<std::size_t>(counts[level]));
    segment.rows.reserve(static_cast<std::size_t>(counts[level]));
  }
  return segments;
}

Segment* segment_of(std::vector<Segment>& segments, std::uint8_t level) {
  for (Segment& segment : segments) {
    if (segment.level == level) return &segment;
  }
  return nullptr;
}

void move_to(std::vector<Segment>& all, std::vector<Segment>& some) {
  for (Segment& segment : some) all.push_back(std::move(segment));
}

}  // namespace

std::vector<Segment> segments_to_encode(const TokenLevels& levels, std::int64_t first_token,
                                        HeadRange heads) {
  std::vector<Segment> all;
  const auto tokens = static_cast<std::size_t>(levels.tokens);
  for (std::int64_t set = 0; set < levels.heads; ++set) {
    const std::size_t start = static_cast<std::size_t>(set) * tokens;
    const auto level = std::span(levels.level).subspan(start, tokens);
    std::array<std::int64_t, 256> counts{};
    for (const std::uint8_t value : level) ++counts[value];
    auto segments = empty_segments(counts, heads.first + set, levels.heads == 1 ? heads.count : 1);
    for (std::size_t token = 0; token < tokens; ++token) {
      if (level[token] == kLevelDropped) continue;
      Segment* segment = segment_of(segments, level[token]);
      const auto position =
          static_cast<std::int32_t>(first_token) + static_cast<std::int32_t>(token);
      segment->positions.push_back(position);
      segment->rows.push_back(position);
      if (!levels.importance.empty()) {
        segment->importance.push_back(levels.importance[start + token]);
      }
    }
    move_to(all, segments);
  }
  return all;
}

std::vector<Segment> segments_to_decode(std::span<const LevelSet> sets, std::int64_t first_token,
                                        std::int64_t row_first, HeadRange heads) {
  std::vector<Segment> all;
  for (std::size_t set = 0; set < sets.size(); ++set) {
    std::array<std::int64_t, 256> counts{};
    sets[set].each_run([&](std::uint8_t level, std::int64_t first, std::int64_t last) {
      counts[level] += last - first;
    });
    auto segments = empty_segments(counts, heads.first + static_cast<std::int64_t>(set),
                                   sets.size() == 1 ? heads.count : 1);
    std::int64_t row = row_first;
    sets[set].each_run([&](std::uint8_t level, std::int64_t first, std::int64_t last) {
      if (level == kLevelDropped) return;
      Segment* segment = segment_of(segments, level);
      for (std::int64_t token = first; token < last; ++token) {
        segment->positions.push_back(static_cast<std::int32_t>(first_token + token));
        segment->rows.push_back(static_cast<std::int32_t>(row++));
      }
    });
    move_to(all, segments);
  }
  return all;
}

Status check_levels(const TokenLevels& levels, std::int64_t tokens, std::int64_t kv_heads) {
  const auto expected = static_cast<std::size_t>(tokens * levels.heads);
  const bool is_shaped = levels.tokens == tokens &&
                         (levels.heads == 1 || levels.heads == kv_heads) &&
                         levels.level.size() == expected &&
                         (levels.importance.empty() || levels.importance.size() == expected);
  const auto is_level = [](std::uint8_t level) {
    return level <= kLevelsMax || level == kLevelExact;
  };
  if (is_shaped && std::all_of(levels.level.begin(), levels.level.end(), is_level)) return {};
  return make_error(ErrorCode::kInternal, "a select stage left levels of a wrong shape or value");
}

void merge_equal_heads(TokenLevels& levels) {
  const auto tokens = static_cast<std::ptrdiff_t>(levels.tokens);
  if (levels.heads == 1) return;
  // Each value as the one a head before: then all heads are alike.
  if (!std::equal(levels.level.begin() + tokens, levels.level.end(), levels.level.begin())) return;
  if (!levels.importance.empty()) {
    // What a token is worth to all heads together.
    for (std::size_t i = static_cast<std::size_t>(tokens); i < levels.importance.size(); ++i) {
      levels.importance[i % static_cast<std::size_t>(tokens)] += levels.importance[i];
    }
    levels.importance.resize(static_cast<std::size_t>(tokens));
  }
  levels.heads = 1;
  levels.level.resize(static_cast<std::size_t>(tokens));
}

void keep_heads(TokenLevels& levels, HeadRange heads) {
  if (levels.heads == 1) return;
  const auto tokens = static_cast<std::ptrdiff_t>(levels.tokens);
  const auto cut = [&](auto& values) {
    if (values.empty()) return;
    values.erase(values.begin() + (heads.first + heads.count) * tokens, values.end());
    values.erase(values.begin(), values.begin() + heads.first * tokens);
  };
  cut(levels.level);
  cut(levels.importance);
  levels.heads = heads.count;
}

}  // namespace sluice::kernels
