// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/palu/palu.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/stages/transform/linear_algebra/projection.hpp"
#include "kernels/stages/transform/palu/palu_calibration.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array kParameters = {
    ParameterRow{"share", ParameterKind::kNumber, 0.5F, 0.01F, 1, "",
                 "of the columns that stay, over all layers; the paper's 50 %"},
    ParameterRow{"heads", ParameterKind::kInteger, 4, 1, 1024, "", "that share a basis"},
};

class PaluStage final : public TransformStage {
 public:
  explicit PaluStage(const Parameters& parameters)
      : settings_{parameters.number("share"), parameters.integer("heads")} {}

  std::unique_ptr<Calibration> calibration() const override { return calibrate_palu(settings_); }

  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix /*all*/,
                                                      ByteWriter& /*side*/) const override {
    auto blocks = SLUICE_TRY(blocks_of(plane, columns));
    for (LinearBlock& block : blocks) {
      block.own(transposed(block.matrix, block.rank, block.columns));
    }
    return make_forward(std::move(blocks));
  }

  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                    ByteReader& /*side*/) const override {
    return make_inverse(SLUICE_TRY(blocks_of(plane, columns)));
  }

 private:
  // The plane's groups; `matrix` is the profile's basis.
  Result<std::vector<LinearBlock>> blocks_of(const Plane& plane, std::int64_t columns) const {
    const std::int64_t heads = plane.shape->kv_heads;
    const std::int64_t head_end = plane.head_first + plane.head_count;
    if (columns != plane.columns() || plane.head_first % settings_.heads != 0 ||
        (head_end % settings_.heads != 0 && head_end != heads)) {
      return make_error(ErrorCode::kUnsupported,
                        "stage 'palu' needs whole groups of heads, before their columns change: "
                        "selection by head wants 'heads: 1'");
    }
    if (plane.profile == nullptr) {
      return make_error(ErrorCode::kNotFound,
                        "stage 'palu' needs a profile: make one with 'sluice codec calibrate'");
    }
    std::vector<LinearBlock> blocks;
    for (std::int64_t layer = 0; layer < plane.layer_count; ++layer) {
      SLUICE_TRY(append_layer(plane, layer, blocks));
    }
    return blocks;
  }

  Status append_layer(const Plane& plane, std::int64_t layer,
                      std::vector<LinearBlock>& blocks) const {
    const std::int64_t head_dim = plane.shape->head_dim;
    const std::int64_t all_heads = plane.shape->kv_heads;
    const std::int64_t groups = (all_heads + settings_.heads - 1) / settings_.heads;
    const auto name = [&](const char* what) {
      return palu_tensor_name(what, plane, plane.layer_first + layer);
    };
    const TensorView ranks = SLUICE_TRY(plane.profile->require(name("ranks"), DType::kI32, groups));
    const TensorView basis = SLUICE_TRY(plane.profile->require(name("basis"), DType::kF32, -1));
    std::int64_t used = 0;
    for (std::int64_t group = 0; group < groups; ++group) {
      const std::int64_t head = group * settings_.heads;
      LinearBlock block;
      block.columns = std::min(settings_.heads, all_heads - head) * head_dim;
      block.rank = ranks.as<std::int32_t>()[group];
      if (block.rank < 1 || block.rank > block.columns ||
          block.rank * block.columns > basis.elements() - used) {
        return make_error(ErrorCode::kCorrupt, "the profile's '" + name("basis") +
                                                   "' does not have the sizes of its ranks");
      }
      block.matrix = basis.as<float>() + used;
      used += block.rank * block.columns;
      if (head < plane.head_first || head >= plane.head_first + plane.head_count) continue;
      block.first = (layer * plane.head_count + head - plane.head_first) * head_dim;
      if (!blocks.empty()) block.out_first = blocks.back().out_first + blocks.back().rank;
      blocks.push_back(std::move(block));
    }
    return {};
  }

  PaluSettings settings_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<PaluStage>(parameters));
}

}  // namespace

StageRow palu_row() {
  return {.id = 113,
          .name = "palu",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = kParameters,
          .summary = "calibrated low-rank bases of head groups (Palu, arXiv 2407.21118)",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
