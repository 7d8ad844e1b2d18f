// SPDX-License-Identifier: Apache-2.0
// The stage that fp8, mxfp4 and nvfp4 are: groups of a token's channels as small floats.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/stages/quantize/small_float/small_float_body.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// `group` 0: a head's channels. kNvFp4 sees all rows and writes one FP32 number before them.
std::unique_ptr<Stage> make_small_float_stage(SmallFloatFormat format, std::int64_t group);

}  // namespace sluice::kernels
