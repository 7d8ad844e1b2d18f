// SPDX-License-Identifier: Apache-2.0
// A select stage on a small layer: made from a row of the registry, run on given scores.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/elementwise/kv_pages.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

inline Result<std::unique_ptr<Stage>> create_stage(const StageRow& row,
                                                   const ParameterMap& values) {
  const Parameters parameters = SLUICE_TRY(Parameters::parse(row.name, row.parameters, values));
  return row.create(parameters);
}

class SelectCase {
 public:
  SelectCase(std::int64_t tokens, std::int64_t kv_heads = 1, std::int64_t layers = 4) {
    shape.layers = layers;
    shape.kv_heads = kv_heads;
    shape.head_dim = 2;
    state.levels.tokens = tokens;
    state.levels.level.assign(static_cast<std::size_t>(tokens), 1);
    scores.tokens = tokens;
    scores.kv_heads = kv_heads;
    scores.window_first = tokens;
  }

  SelectInput input() const {
    return {.shape = &shape,
            .profile = profile,
            .layer = layer,
            .tokens = state.levels.tokens,
            .pages = pages,
            .scores = has_scores ? &scores : nullptr,
            .shared = shared,
            .seed = seed};
  }

  // K and V of the layer: [kv_heads][tokens][head_dim].
  void fill(std::int64_t head_dim, const std::vector<float>& keys,
            const std::vector<float>& values = {}) {
    constexpr std::int64_t kBlock = 4;
    shape.head_dim = head_dim;
    const std::int64_t tokens = state.levels.tokens;
    const std::int64_t blocks = (tokens + kBlock - 1) / kBlock;
    memory_.assign(static_cast<std::size_t>(blocks * 2 * shape.kv_heads * kBlock * head_dim), 0.0F);
    starts_.clear();
    for (std::int64_t i = 0; i < blocks; ++i) {
      starts_.push_back(reinterpret_cast<std::byte*>(memory_.data() +
                                                     i * 2 * shape.kv_heads * kBlock * head_dim));
    }
    for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        for (std::int64_t d = 0; d < head_dim; ++d) {
          float* page = memory_.data() + t / kBlock * 2 * shape.kv_heads * kBlock * head_dim;
          const auto from = static_cast<std::size_t>((head * tokens + t) * head_dim + d);
          const std::int64_t to = (head * kBlock + t % kBlock) * head_dim + d;
          page[to] = keys[from];
          if (!values.empty()) page[shape.kv_heads * kBlock * head_dim + to] = values[from];
        }
      }
    }
    pages = {starts_, kBlock, shape.kv_heads, head_dim, 4};
  }

  Status run(const StageRow& row, const ParameterMap& values) {
    const auto stage = SLUICE_TRY(create_stage(row, values));
    return static_cast<const SelectStage&>(*stage).select(input(), state);
  }

  // Kept tokens of a head ("0 3 4"), or the error's sentence.
  std::string kept(const StageRow& row, const ParameterMap& values, std::int64_t head = 0) {
    const Status status = run(row, values);
    return status ? kept(head) : status.error().message;
  }
  std::string kept(std::int64_t head = 0) const {
    std::string text;
    const TokenLevels& levels = state.levels;
    for (std::int64_t t = 0; t < levels.tokens; ++t) {
      if (levels.level[static_cast<std::size_t>(head * levels.tokens + t)] == kLevelDropped) {
        continue;
      }
      if (!text.empty()) text += ' ';
      text += std::to_string(t);
    }
    return text;
  }
  // Levels of a head: "1 1 E 0"; E is exact.
  std::string levels(std::int64_t head = 0) const {
    std::string text;
    for (std::int64_t t = 0; t < state.levels.tokens; ++t) {
      const auto level =
          state.levels.level[static_cast<std::size_t>(head * state.levels.tokens + t)];
      if (!text.empty()) text += ' ';
      text += level == kLevelExact ? "E" : std::to_string(level);
    }
    return text;
  }

  CacheShape shape;
  LayerScores scores;
  SelectState state;
  KvPages pages;
  const Profile* profile = nullptr;
  const LayerScores* shared = nullptr;
  std::int64_t layer = 0;
  std::uint64_t seed = 1;
  bool has_scores = true;

 private:
  std::vector<float> memory_;
  std::vector<std::byte*> starts_;
};

}  // namespace sluice::kernels
