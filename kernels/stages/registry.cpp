// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/registry.hpp"

#include <vector>

#include "kernels/stages/quantize/delta/delta.hpp"
#include "kernels/stages/quantize/fp8/fp8.hpp"
#include "kernels/stages/quantize/kvquant/kvquant.hpp"
#include "kernels/stages/quantize/mxfp4/mxfp4.hpp"
#include "kernels/stages/quantize/nvfp4/nvfp4.hpp"
#include "kernels/stages/quantize/rtn/rtn.hpp"
#include "kernels/stages/transform/klt/klt.hpp"
#include "kernels/stages/transform/palu/palu.hpp"
#include "kernels/stages/transform/svd/svd.hpp"
#include "kernels/stages/transform/unrope/unrope.hpp"
#include "kernels/stages/transform/xkv/xkv.hpp"

namespace sluice::kernels {

// Ids: select 1 to 99, transform from 100, quantize from 200, correct from 300, entropy from 400.
std::span<const StageRow> stage_table() {
  static const std::vector<StageRow> table = {
      // select
      // transform
      unrope_row(),
      svd_row(),
      xkv_row(),
      palu_row(),
      klt_row(),
      // quantize
      rtn_row(),
      fp8_row(),
      mxfp4_row(),
      nvfp4_row(),
      delta_row(),
      kvquant_row(),
      // correct
      // entropy
  };
  return table;
}

const StageRow* find_stage(std::string_view name) {
  for (const StageRow& row : stage_table()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

const StageRow* find_stage(std::uint16_t id) {
  for (const StageRow& row : stage_table()) {
    if (id == row.id) return &row;
  }
  return nullptr;
}

}  // namespace sluice::kernels
