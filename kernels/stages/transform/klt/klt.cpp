// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/klt/klt.hpp"

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/stages/learnt_parameters.hpp"
#include "kernels/stages/transform/klt/klt_calibration.hpp"
#include "kernels/stages/transform/linear_algebra/projection.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array kParameters = {
    ParameterRow{"scope", ParameterKind::kChoice, 0, 0, 1, "layer head",
                 "what has a basis: all heads of a layer, or each head"},
    ParameterRow{"components", ParameterKind::kNumber, 1, 0.001F, 1, "",
                 "share of the columns kept as components"},
    kLearntWeight,
    kLearntRegularize,
    kLearntSkipTokens,
};

KltSettings settings_of(const Parameters& parameters) {
  KltSettings settings;
  settings.is_by_head = parameters.choice("scope") == 1;
  settings.share = parameters.number("components");
  settings.is_weighted = parameters.choice("weight") == 1;
  settings.regularize = parameters.number("regularize");
  settings.skipped_tokens = parameters.integer("skip_tokens");
  return settings;
}

class KltStage final : public TransformStage {
 public:
  explicit KltStage(const Parameters& parameters) : settings_(settings_of(parameters)) {}

  std::unique_ptr<Calibration> calibration() const override { return calibrate_klt(settings_); }
  bool needs_all_heads() const override { return !settings_.is_by_head; }

  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix /*all*/,
                                                      ByteWriter& /*side*/) const override {
    auto blocks = SLUICE_TRY(blocks_of(plane, columns, "basis"));
    for (LinearBlock& block : blocks) {
      block.own(transposed(block.matrix, block.rank, block.columns));
    }
    return make_forward(std::move(blocks));
  }

  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                    ByteReader& /*side*/) const override {
    return make_inverse(
        SLUICE_TRY(blocks_of(plane, columns, settings_.is_weighted ? "dual" : "basis")));
  }

 private:
  // The plane's blocks with the profile's means and its matrices `what`, [rank][columns] each.
  Result<std::vector<LinearBlock>> blocks_of(const Plane& plane, std::int64_t columns,
                                             const char* what) const {
    const std::int64_t heads = plane.shape->kv_heads;
    const std::int64_t head_dim = plane.shape->head_dim;
    if (columns != plane.columns() ||
        (!settings_.is_by_head && (plane.head_first != 0 || plane.head_count != heads))) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'klt' needs all heads of a layer, before their columns change: "
                        "selection by head wants 'scope: head'");
    }
    if (plane.profile == nullptr) {
      return make_error(ErrorCode::kNotFound,
                        "stage 'klt' needs a profile: make one with 'sluice codec calibrate'");
    }
    const std::int64_t width = settings_.is_by_head ? head_dim : heads * head_dim;
    const std::int64_t rank = settings_.rank(width);
    const std::int64_t of_layer = settings_.is_by_head ? heads : 1;
    std::vector<LinearBlock> blocks;
    for (std::int64_t i = 0; i < plane.layer_count; ++i) {
      const std::int64_t layer = plane.layer_first + i;
      const TensorView mean = SLUICE_TRY(plane.profile->require(
          klt_tensor_name("mean", plane, layer), DType::kF32, of_layer * width));
      const TensorView matrix = SLUICE_TRY(plane.profile->require(
          klt_tensor_name(what, plane, layer), DType::kF32, of_layer * rank * width));
      const std::int64_t first = settings_.is_by_head ? plane.head_first : 0;
      const std::int64_t count = settings_.is_by_head ? plane.head_count : 1;
      for (std::int64_t block = first; block < first + count; ++block) {
        LinearBlock linear;
        linear.first = static_cast<std::int64_t>(blocks.size()) * width;
        linear.columns = width;
        linear.out_first = static_cast<std::int64_t>(blocks.size()) * rank;
        linear.rank = rank;
        linear.mean = mean.as<float>() + block * width;
        linear.matrix = matrix.as<float>() + block * rank * width;
        blocks.push_back(std::move(linear));
      }
    }
    return blocks;
  }

  KltSettings settings_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<KltStage>(parameters));
}

}  // namespace

StageRow klt_row() {
  return {.id = 114,
          .name = "klt",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = kParameters,
          .summary = "calibrated principal components (the idea of KVTC, arXiv 2511.01815)",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
