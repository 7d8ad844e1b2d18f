// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/registry.hpp"

#include <vector>

#include "kernels/stages/correct/gear/gear.hpp"
#include "kernels/stages/entropy/arithmetic/arithmetic.hpp"
#include "kernels/stages/entropy/rans/rans.hpp"
#include "kernels/stages/quantize/delta/delta.hpp"
#include "kernels/stages/quantize/fp8/fp8.hpp"
#include "kernels/stages/quantize/kvquant/kvquant.hpp"
#include "kernels/stages/quantize/kvtc/kvtc.hpp"
#include "kernels/stages/quantize/mxfp4/mxfp4.hpp"
#include "kernels/stages/quantize/nvfp4/nvfp4.hpp"
#include "kernels/stages/quantize/predict/predict.hpp"
#include "kernels/stages/quantize/rtn/rtn.hpp"
#include "kernels/stages/quantize/turbo/turbo.hpp"
#include "kernels/stages/quantize/uniform/uniform.hpp"
#include "kernels/stages/quantize/waterfill/waterfill.hpp"
#include "kernels/stages/select/adakv/adakv.hpp"
#include "kernels/stages/select/bottleneck/bottleneck.hpp"
#include "kernels/stages/select/chunkkv/chunkkv.hpp"
#include "kernels/stages/select/dsa/dsa.hpp"
#include "kernels/stages/select/expected_attention/expected_attention.hpp"
#include "kernels/stages/select/grade/grade.hpp"
#include "kernels/stages/select/graded/graded.hpp"
#include "kernels/stages/select/graded_tokens/graded_tokens.hpp"
#include "kernels/stages/select/h2o/h2o.hpp"
#include "kernels/stages/select/keydiff/keydiff.hpp"
#include "kernels/stages/select/knorm/knorm.hpp"
#include "kernels/stages/select/kvzip/kvzip.hpp"
#include "kernels/stages/select/nacl/nacl.hpp"
#include "kernels/stages/select/protect/protect.hpp"
#include "kernels/stages/select/pyramid/pyramid.hpp"
#include "kernels/stages/select/q2c/q2c.hpp"
#include "kernels/stages/select/qaq_levels/qaq_levels.hpp"
#include "kernels/stages/select/random/random.hpp"
#include "kernels/stages/select/snapkv/snapkv.hpp"
#include "kernels/stages/select/squeeze/squeeze.hpp"
#include "kernels/stages/select/streaming/streaming.hpp"
#include "kernels/stages/select/tova/tova.hpp"
#include "kernels/stages/transform/hadamard/hadamard.hpp"
#include "kernels/stages/transform/klt/klt.hpp"
#include "kernels/stages/transform/palu/palu.hpp"
#include "kernels/stages/transform/prefix/prefix.hpp"
#include "kernels/stages/transform/svd/svd.hpp"
#include "kernels/stages/transform/unrope/unrope.hpp"
#include "kernels/stages/transform/xkv/xkv.hpp"

namespace sluice::kernels {

// Ids: select 1 to 99, transform from 100, quantize from 200, correct from 300, entropy from 400.
std::span<const StageRow> stage_table() {
  static const std::vector<StageRow> table = {
      // select
      q2c_row(),
      snapkv_row(),
      h2o_row(),
      streaming_row(),
      random_row(),
      expected_attention_row(),
      nacl_row(),
      tova_row(),
      knorm_row(),
      keydiff_row(),
      chunkkv_row(),
      dsa_row(),
      kvzip_row(),
      pyramid_row(),
      squeeze_row(),
      adakv_row(),
      protect_row(),
      bottleneck_row(),
      graded_row(),
      graded_tokens_row(),
      grade_row(),
      qaq_levels_row(),
      // transform
      hadamard_row(),
      unrope_row(),
      svd_row(),
      xkv_row(),
      palu_row(),
      klt_row(),
      prefix_row(),
      // quantize
      rtn_row(),
      fp8_row(),
      mxfp4_row(),
      nvfp4_row(),
      uniform_row(),
      turbo_row(),
      delta_row(),
      kvquant_row(),
      kvtc_row(),
      waterfill_row(),
      predict_row(),
      // correct
      gear_row(),
      // entropy
      rans_row(),
      arithmetic_row(),
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
