// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/mxfp4/mxfp4.hpp"

#include "kernels/stages/quantize/small_float/small_float_stage.hpp"

namespace sluice::kernels {
namespace {

constexpr std::int64_t kGroup = 32;  // the format's

Result<std::unique_ptr<Stage>> create(const Parameters& /*parameters*/) {
  return make_small_float_stage(SmallFloatFormat::kMxFp4, kGroup);
}

}  // namespace

StageRow mxfp4_row() {
  return {.id = 202,
          .name = "mxfp4",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = {},
          .summary = "MXFP4: E2M1, groups of 32, power-of-two scales (OCP Microscaling 1.0)",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
