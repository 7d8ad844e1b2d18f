// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/nvfp4/nvfp4.hpp"

#include "kernels/stages/quantize/small_float/small_float_stage.hpp"

namespace sluice::kernels {
namespace {

constexpr std::int64_t kGroup = 16;  // the format's

Result<std::unique_ptr<Stage>> create(const Parameters& /*parameters*/) {
  return make_small_float_stage(SmallFloatFormat::kNvFp4, kGroup);
}

}  // namespace

StageRow nvfp4_row() {
  return {.id = 203,
          .name = "nvfp4",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = {},
          .summary = "NVFP4: E2M1, groups of 16, E4M3 scales and one FP32 (NVIDIA Blackwell)",
          .create = create};
}

}  // namespace sluice::kernels
