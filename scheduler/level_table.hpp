// SPDX-License-Identifier: Apache-2.0
// What a model's compression levels cost, as `sluice profile` measured it: what a scheduler chooses
// from. No level is chosen on belief.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::scheduler {

// One pipeline with its parameters. Means over the calibration items; costs on one thread of the
// machine that measured.
struct Level {
  std::string pipeline;      // its preset's name
  std::uint64_t stages = 0;  // pipeline_hash(): of the stages and parameters that were measured
  // Of frames, all layers: of each token, and of each prompt however long it is.
  double bytes_per_token = 0.0;
  double bytes_fixed = 0.0;
  double encode_s_per_token = 0.0;
  double decode_s_per_token = 0.0;
  // What it costs the answer: KL divergence from the full cache along the answer, nats per token
  // (orders levels), and its upper 95 % bound; the share by which the answer's NLL grows.
  double kl = 0.0;
  double kl_high = 0.0;
  double nll_growth = 0.0;
  double top1 = 1.0;          // share of answer tokens on which it agrees with the full cache
  bool is_streaming = false;  // frames leave before the prompt is computed to its end

  double bytes(std::int64_t tokens) const {
    return bytes_fixed + bytes_per_token * static_cast<double>(tokens);
  }
  friend bool operator==(const Level&, const Level&) = default;
};

struct LevelTable {
  std::uint64_t model_fingerprint = 0;
  std::uint64_t profile_hash = 0;  // of the calibrated tensors that the levels were measured with
  std::int64_t items = 0;
  double raw_bytes_per_token = 0.0;  // BF16
  double prefill_s_per_token = 0.0;  // at the items' mean length, all threads
  double decode_s_per_output_token = 0.0;
  std::vector<Level> levels;  // by descending bytes; no level is worse than another in all of
                              // bytes, costs and loss

  friend bool operator==(const LevelTable&, const LevelTable&) = default;
};

// By descending bytes per token, without the levels that another one beats: it is nowhere worse
// (in bytes at any length, both costs, loss (kl), streaming) and somewhere better. Of levels that
// are equal in all of these the first stays. Figures are numbers, no NaN.
std::vector<Level> efficient_levels(std::vector<Level> levels);

}  // namespace sluice::scheduler
