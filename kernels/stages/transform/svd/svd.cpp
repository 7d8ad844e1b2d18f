// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/svd/svd.hpp"

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/stages/transform/svd/singular_basis.hpp"

namespace sluice::kernels {
namespace {

// The larger rank of the survey that this reproduces, at heads of 128: nearly no loss.
constexpr float kRankDefault = 64;

constexpr std::array kParameters = {
    ParameterRow{"rank", ParameterKind::kInteger, kRankDefault, 1, kBasisColumnsMax, "",
                 "directions kept of every block"},
    ParameterRow{"scope", ParameterKind::kChoice, 0, 0, 1, "head layer", "what is one block"},
    ParameterRow{"rank_value", ParameterKind::kInteger, 0, 0, kBasisColumnsMax, "",
                 "of V; 0: as rank"},
};

class SvdStage final : public TransformStage {
 public:
  explicit SvdStage(const Parameters& parameters)
      : rank_key_(parameters.integer("rank")),
        rank_value_(parameters.integer("rank_value") == 0 ? rank_key_
                                                          : parameters.integer("rank_value")),
        is_by_layer_(parameters.choice("scope") == 1) {}

  bool needs_all_rows() const override { return true; }

  Result<std::unique_ptr<TransformPlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                      ConstMatrix all,
                                                      ByteWriter& side) const override {
    const std::int64_t width = SLUICE_TRY(block_columns(plane, columns));
    std::vector<LinearBlock> blocks;
    std::int64_t out_first = 0;
    for (std::int64_t first = 0; first < columns; first += width) {
      const ConstMatrix part{all.data + first, all.rows, width, all.stride};
      blocks.push_back(write_singular_basis(part, plane.is_key() ? rank_key_ : rank_value_, side));
      place(blocks.back(), first, out_first);
    }
    return make_forward(std::move(blocks));
  }

  Result<std::unique_ptr<InversePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                    ByteReader& side) const override {
    const std::int64_t width = SLUICE_TRY(block_columns(plane, columns));
    std::vector<LinearBlock> blocks;
    std::int64_t out_first = 0;
    for (std::int64_t first = 0; first < columns; first += width) {
      blocks.push_back(SLUICE_TRY(read_singular_basis(width, side)));
      place(blocks.back(), first, out_first);
    }
    return make_inverse(std::move(blocks));
  }

 private:
  static void place(LinearBlock& block, std::int64_t first, std::int64_t& out_first) {
    block.first = first;
    block.out_first = out_first;
    out_first += block.rank;
  }

  Result<std::int64_t> block_columns(const Plane& plane, std::int64_t columns) const {
    const std::int64_t layers = plane.layer_count;
    const std::int64_t blocks = is_by_layer_ ? layers : layers * plane.head_count;
    if (columns < 1 || blocks < 1 || columns % blocks != 0 || columns / blocks > kBasisColumnsMax) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'svd' needs heads of equal width, of at most 65535 columns");
    }
    return columns / blocks;
  }

  std::int64_t rank_key_;
  std::int64_t rank_value_;
  bool is_by_layer_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<SvdStage>(parameters));
}

}  // namespace

StageRow svd_row() {
  return {.id = 111,
          .name = "svd",
          .role = StageRole::kTransform,
          .version = 1,
          .parameters = kParameters,
          .summary = "truncated singular value decomposition, by head or by layer",
          .create = create};
}

}  // namespace sluice::kernels
