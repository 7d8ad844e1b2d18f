// SPDX-License-Identifier: Apache-2.0
// What kvpress keeps of the default model's cache: kvpress_reference.bin, whose format
// make_kvpress_reference.py describes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice {

struct KvpressMethod {
  struct Summary {
    float mean;
    float deviation;
  };

  std::string name;
  std::int64_t layers = 0;
  std::int64_t heads = 0;  // that have sets of their own; 1: one for all
  // Tokens whose score counts; others are kept whatever they score.
  std::int64_t scored_first = 0;
  std::int64_t scored_last = 0;
  std::vector<Summary> summaries;               // [layers][heads]
  std::vector<std::vector<std::uint8_t>> kept;  // by budget: [layers][heads][ceil(tokens / 8)]

  bool is_kept(std::size_t budget, std::int64_t set, std::int64_t token) const {
    const auto bytes =
        static_cast<std::int64_t>(kept[budget].size()) / (layers * heads);  // of a set
    return (kept[budget][static_cast<std::size_t>(set * bytes + token / 8)] >> (token % 8) & 1) !=
           0;
  }
};

struct KvpressPrompt {
  std::vector<std::int32_t> ids;
  std::int64_t question_tokens = 0;  // at its end
  std::vector<KvpressMethod> methods;
};

struct KvpressReference {
  std::int64_t kv_heads = 0;
  std::vector<float> budgets;
  std::vector<KvpressPrompt> prompts;
};

Result<KvpressReference> read_kvpress_reference();

}  // namespace sluice
