// SPDX-License-Identifier: Apache-2.0
// Do neighbouring tokens' keys and values differ by less than they are? Variance and entropy of
// differences beside those of the values, before anything is quantized.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/codec/cache_file.hpp"

namespace sluice::runtime {

// What is coded in a value's place: itself (group 1), or its difference to the token before it or
// to the first of its group of `group` tokens (0: one group).
struct DeltaForm {
  const char* name;
  bool is_anchor;
  std::int64_t group;
};
// The values themselves come first.
std::span<const DeltaForm> delta_forms();

// Of one form, of K or V of one layer. Anchors are not counted, and neither are a prompt's first
// kDeltaSkipTokens tokens, which look like no others.
struct DeltaStatistics {
  const char* form = "";
  bool is_key = false;
  std::int64_t layer = 0;
  std::int64_t elements = 0;
  double variance = 0.0;        // around each channel's mean; mean over channels
  double variance_ratio = 0.0;  // over the values'; NaN where those do not vary
  // Entropies in bits an element. Of the symbols of INT4 with a scale for 32 channels of a token;
  double int4_bits = 0.0;
  // and of multiples of one step for all forms, the root mean square of the values' INT4 scales,
  // with a distribution for each channel: what an ideal coder needs for the values' INT4 error.
  double step_bits = 0.0;
};
inline constexpr std::int64_t kDeltaSkipTokens = 4;

class DeltaMeter {
 public:
  explicit DeltaMeter(const kernels::CacheShape& shape);
  DeltaMeter(DeltaMeter&&) noexcept;
  DeltaMeter& operator=(DeltaMeter&&) noexcept;
  ~DeltaMeter();

  // A cache of the same shape; the step is the first one's.
  void observe(const DumpedCache& cache);
  // By layer, K before V, in the forms' order.
  std::vector<DeltaStatistics> finish() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// A row for each form: geometric mean of the ratios over layers with least and most, mean
// entropies; K and V beside each other.
std::string delta_table(std::span<const DeltaStatistics> statistics);
std::string delta_json(std::span<const DeltaStatistics> statistics);

}  // namespace sluice::runtime
