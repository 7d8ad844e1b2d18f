// SPDX-License-Identifier: Apache-2.0
// What quantizing layers one by one costs the answers: the measuring behind a diagnosis.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/diagnosis.hpp"
#include "runtime/evaluation/item.hpp"
#include "runtime/evaluation/layer_mix.hpp"
#include "runtime/evaluation/measure.hpp"

namespace sluice::runtime {

struct LayerLossOptions {
  int threads = 0;  // 0: all cores
  // Of mixes on items. May be empty; called on the caller's thread.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
  std::function<bool()> is_cancelled;  // may be empty
};

// What each mix of one width costs each item: [mix][item].
struct MixLosses {
  double bits_per_element = 0.0;
  std::vector<ItemLosses> mixes;
};

// One prefill an item, one quantization a width; `bits` and `mixes` in the order of the result.
// kCancelled; else the errors of what it runs, with the item's name.
Result<std::vector<MixLosses>> measure_mixes(std::span<const EvaluationItem> items,
                                             const EvaluationModel& model,
                                             std::span<const int> bits,
                                             std::span<const LayerMix> mixes,
                                             const LayerLossOptions& options);

// Every layer alone, all but it, its K and its V alone.
Result<std::vector<LayerLosses>> measure_layer_losses(std::span<const EvaluationItem> items,
                                                      const EvaluationModel& model,
                                                      std::span<const int> bits,
                                                      const LayerLossOptions& options);

// All quantized but the first of `worst`, but the first two, and so on: [set][item].
Result<std::vector<ItemLosses>> measure_exact_layers(std::span<const EvaluationItem> items,
                                                     const EvaluationModel& model, int bits,
                                                     std::span<const std::int32_t> worst,
                                                     const LayerLossOptions& options);

}  // namespace sluice::runtime
