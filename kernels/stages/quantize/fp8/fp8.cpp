// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/fp8/fp8.hpp"

#include <array>

#include "kernels/stages/quantize/small_float/small_float_stage.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array kParameters = {
    ParameterRow{"group", ParameterKind::kInteger, 0, 0, 65536, "",
                 "channels that share a scale; 0: a head's"},
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return make_small_float_stage(SmallFloatFormat::kFp8, parameters.integer("group"));
}

}  // namespace

StageRow fp8_row() {
  return {.id = 201,
          .name = "fp8",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "FP8 E4M3 with a scale per token and head (OCP 8-bit floating point)",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
