// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/svd/singular_basis.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/core/check.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/stages/transform/linear_algebra/low_rank.hpp"

namespace sluice::kernels {

LinearBlock write_singular_basis(ConstMatrix rows, std::int64_t rank, ByteWriter& side) {
  SLUICE_CHECK(rows.columns <= kBasisColumnsMax, "more columns than a rank can say");
  LinearBlock block;
  block.columns = rows.columns;
  // No rows have one direction too: a plane without columns would be no plane.
  block.rank = std::min(rank, rows.columns);
  block.rank = std::max<std::int64_t>(std::min(block.rank, rows.rows), 1);
  side.put(static_cast<std::uint16_t>(block.rank));
  if (block.rank == block.columns) return block;
  std::vector<float> vectors = right_singular_vectors(rows, block.rank);
  std::vector<std::uint16_t> bits(vectors.size());
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    bits[i] = bf16_from_f32(vectors[i]);
    vectors[i] = f32_from_bf16(bits[i]);
  }
  side.put_bytes(std::as_bytes(std::span(bits)));
  const std::vector<float> dual = dual_basis(vectors, block.rank, block.columns);
  block.own(transposed(dual.data(), block.rank, block.columns));
  return block;
}

Result<LinearBlock> read_singular_basis(std::int64_t columns, ByteReader& side) {
  LinearBlock block;
  block.columns = columns;
  block.rank = SLUICE_TRY(side.get<std::uint16_t>());
  if (block.rank < 1 || block.rank > columns) {
    return make_error(ErrorCode::kCorrupt, "a basis has a rank outside its columns");
  }
  if (block.rank == columns) return block;
  const auto count = static_cast<std::size_t>(block.rank * columns);
  const Bytes bytes = SLUICE_TRY(side.get_bytes(count * sizeof(std::uint16_t)));
  std::vector<float> vectors(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * sizeof bits, sizeof bits);
    vectors[i] = f32_from_bf16(bits);
    if (!(vectors[i] - vectors[i] == 0.0F)) {
      return make_error(ErrorCode::kCorrupt, "a basis holds a number that is not finite");
    }
  }
  block.own(std::move(vectors));
  return block;
}

}  // namespace sluice::kernels
