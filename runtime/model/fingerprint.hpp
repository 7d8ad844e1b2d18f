// SPDX-License-Identifier: Apache-2.0
// One number for a model: two processes that hold it agree that they serve the same one.
#pragma once

#include <cstdint>

#include "runtime/model/model_spec.hpp"
#include "runtime/model/weight_table.hpp"

namespace sluice::runtime {

// XXH64 over the spec without its name for people, every weight's place, type and shape, and
// samples of every weight's bytes: different weights of one shape differ, and few pages are read.
std::uint64_t fingerprint_of(const ModelSpec& spec, const WeightTable& weights);

}  // namespace sluice::runtime
