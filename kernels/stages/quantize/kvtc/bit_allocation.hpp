// SPDX-License-Identifier: Apache-2.0
// How a layer's bits are allotted to its components: by dynamic programming, on calibration rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/stages/quantize/kvtc/segment_rows.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

struct KvtcSettings {
  double bits_key = 0;  // per element of the cache, shifts and scales included
  double bits_value = 0;
  std::int64_t group_tokens = 1;    // rows that share shifts and scales
  std::int64_t block_columns = 16;  // segments begin at multiples
  std::int64_t skipped_tokens = 0;  // positions below are not learnt from
};

// "kvtc.<plane.tables>.segments.k.<layer>": I32 [segments][3]: first column, columns, bits.
std::string kvtc_tensor_name(const Plane& plane, std::int64_t layer);

// The segments, from column 0 on without gaps, of 0, 2, 4 or 8 bits, that reconstruct `rows` with
// the least squared error, if a group of rows may take `budget_bits` (of symbols, and 32 for every
// segment that has some).
std::vector<KvtcSegment> allocate_bits(ConstMatrix rows, std::int64_t budget_bits,
                                       const KvtcSettings& settings);

std::unique_ptr<Calibration> calibrate_kvtc(const KvtcSettings& settings);

}  // namespace sluice::kernels
