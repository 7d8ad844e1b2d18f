// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/correct/gear/gear.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/stages/correct/gear/low_rank_residual.hpp"
#include "kernels/stages/correct/gear/sparse_entries.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array kParameters = {
    ParameterRow{"rank", ParameterKind::kInteger, 4, 0, kResidualRankMax, "",
                 "of the residual, by head; the paper's for prefill"},
    ParameterRow{"sparse", ParameterKind::kNumber, 0.02F, 0, 0.1F, "",
                 "share of the entries kept apart; above, a bitmap would be shorter than gaps"},
    ParameterRow{"iterations", ParameterKind::kInteger, 3, 0, 32, "", "of the power method"},
};

class GearStage final : public CorrectStage {
 public:
  explicit GearStage(const Parameters& parameters)
      : rank_(parameters.integer("rank")),
        sparse_(parameters.number("sparse")),
        iterations_(parameters.integer("iterations")) {}

  Status encode(const Plane& plane, ConstMatrix original, ConstMatrix reconstructed,
                ByteWriter& side) const override {
    const std::int64_t columns = original.columns;
    std::vector<float> values(static_cast<std::size_t>(original.rows * columns));
    const Matrix residual{values.data(), original.rows, columns, columns};
    for (std::int64_t r = 0; r < original.rows; ++r) {
      const float* wanted = original.row(r);
      const float* got = reconstructed.row(r);
      for (std::int64_t c = 0; c < columns; ++c) residual.row(r)[c] = wanted[c] - got[c];
    }
    // sparse_ is a float below 1, so the product is exact in FP64 for every matrix there can be.
    const double entries = static_cast<double>(sparse_) * static_cast<double>(values.size());
    take_sparse_entries(residual, static_cast<std::int64_t>(entries), side);
    const std::int64_t width = block_columns(plane, columns);
    for (std::int64_t first = 0; first < columns; first += width) {
      write_low_rank({residual.data + first, residual.rows, width, columns}, rank_, iterations_,
                     side);
    }
    return {};
  }

  Status decode(const Plane& plane, ByteReader& side, Matrix rows) const override {
    SLUICE_TRY(add_sparse_entries(side, rows));
    const std::int64_t width = block_columns(plane, rows.columns);
    for (std::int64_t first = 0; first < rows.columns; first += width) {
      SLUICE_TRY(add_low_rank(side, {rows.data + first, rows.rows, width, rows.stride}));
    }
    return {};
  }

 private:
  // A head of a layer, or everything where transforms left no equal heads.
  static std::int64_t block_columns(const Plane& plane, std::int64_t columns) {
    const std::int64_t heads = plane.layer_count * plane.head_count;
    return heads > 0 && columns % heads == 0 ? columns / heads : columns;
  }

  std::int64_t rank_;
  float sparse_;
  std::int64_t iterations_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(std::make_unique<GearStage>(parameters));
}

}  // namespace

StageRow gear_row() {
  return {.id = 300,
          .name = "gear",
          .role = StageRole::kCorrect,
          .version = 1,
          .parameters = kParameters,
          .summary = "the quantizer's residual, sparse and low-rank (GEAR, arXiv 2403.05527)",
          .create = create};
}

}  // namespace sluice::kernels
