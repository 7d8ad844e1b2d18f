// SPDX-License-Identifier: Apache-2.0
// What the codec must know of a model's cache.
#pragma once

#include "kernels/stages/plane.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {

// Its sizes, its fingerprint, and how its keys are rotated.
kernels::CacheShape cache_shape_of(const ModelFile& model);

}  // namespace sluice::runtime
