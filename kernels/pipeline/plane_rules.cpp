// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/plane_rules.hpp"

#include <algorithm>
#include <string>

namespace sluice::kernels {

bool is_consistent(const SymbolShape& shape, std::int64_t columns, std::int64_t multiple) {
  const auto expected = static_cast<std::size_t>(std::max<std::int64_t>(shape.rows_together, 0)) *
                        static_cast<std::size_t>(columns);
  return shape.rows_together >= 1 && multiple >= 1 && multiple % shape.rows_together == 0 &&
         shape.bits.size() == expected && shape.context.size() == expected &&
         std::all_of(shape.bits.begin(), shape.bits.end(), [](int bits) { return bits <= 8; });
}

Error not_finite(const Plane& plane, std::int64_t column, std::int64_t row) {
  const std::int64_t half = column / (plane.head_count * plane.shape->head_dim);
  const std::int64_t layer = half / plane.halves();
  const bool is_key = plane.is_joint() ? half % 2 == 0 : plane.is_key();
  return make_error(ErrorCode::kInvalidArgument,
                    std::string(is_key ? "K" : "V") + " holds a NaN or an infinity in layer " +
                        std::to_string(plane.layer_first + layer) + " at token " +
                        std::to_string(plane.positions[static_cast<std::size_t>(row)]) +
                        ", and its pipeline keeps finite numbers only");
}

Error wrong_symbols() {
  return make_error(ErrorCode::kCorrupt, "the frame's symbols have a wrong length or shape");
}

Error leftover_bytes() {
  return make_error(ErrorCode::kCorrupt, "the frame holds more bytes than its stages read");
}

}  // namespace sluice::kernels
