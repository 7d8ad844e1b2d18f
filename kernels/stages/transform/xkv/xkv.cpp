// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/xkv/xkv.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/stages/transform/svd/singular_basis.hpp"

namespace sluice::kernels {
namespace {

// The paper's for Llama-3.1-8B: 512 and 768 of the 4,096 columns that four layers have.
constexpr float kRankKeyDefault = 0.125F;
constexpr float kRankValueDefault = 0.1875F;

constexpr std::array kParameters = {
    ParameterRow{"layers", ParameterKind::kInteger, 4, 1, 64, "", "in a group"},
    ParameterRow{"rank_key", ParameterKind::kNumber, kRankKeyDefault, 0, kBasisColumnsMax, "",
                 "below 1: a share of the group's columns"},
    ParameterRow{"rank_value", ParameterKind::kNumber, kRankValueDefault, 0, kBasisColumnsMax, "",
                 "the same for V"},
};

class XkvStage final : public TransformStage {
 public:
  explicit XkvStage(const Parameters& parameters)
      : layers_(parameters.integer("layers")),
        rank_key_(parameters.number("rank_key")),
        rank_value_(parameters.number("rank_value")) {}

  std::int64_t layers_per_frame() const override { return layers_; }
  bool needs_all_rows() const override { return true; }

  // All layers' columns side by side: U is then shared by the group, and V holds every layer's
  // right factor.
  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix all,
                                                      ByteWriter& side) const override {
    SLUICE_TRY(check(columns));
    const float asked = plane.is_key() ? rank_key_ : rank_value_;
    const float rank = std::rint(asked < 1 ? asked * static_cast<float>(columns) : asked);
    std::vector<LinearBlock> blocks;
    blocks.push_back(write_singular_basis(
        all, std::max<std::int64_t>(static_cast<std::int64_t>(rank), 1), side));
    return make_forward(std::move(blocks));
  }

  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& /*plane*/, std::int64_t columns,
                                                    ByteReader& side) const override {
    SLUICE_TRY(check(columns));
    std::vector<LinearBlock> blocks;
    blocks.push_back(SLUICE_TRY(read_singular_basis(columns, side)));
    return make_inverse(std::move(blocks));
  }

 private:
  static Status check(std::int64_t columns) {
    if (columns >= 1 && columns <= kBasisColumnsMax) return {};
    return make_error(ErrorCode::kInvalidArgument,
                      "stage 'xkv' takes groups of at most 65535 columns: make 'layers' smaller");
  }

  std::int64_t layers_;
  float rank_key_;
  float rank_value_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<XkvStage>(parameters));
}

}  // namespace

StageRow xkv_row() {
  return {.id = 112,
          .name = "xkv",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = kParameters,
          .summary = "one basis for a group of layers (xKV, arXiv 2503.18893)",
          .create = create};
}

}  // namespace sluice::kernels
