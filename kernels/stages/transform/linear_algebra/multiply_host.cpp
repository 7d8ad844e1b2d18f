// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/multiply_device.hpp"

namespace sluice::kernels {

Status check_multiply(const MultiplyTask& task) {
  const std::int64_t depth = task.b_is_transposed ? task.b.columns : task.b.rows;
  const std::int64_t columns = task.b_is_transposed ? task.b.rows : task.b.columns;
  if (task.a.columns != depth || task.out.rows != task.a.rows || task.out.columns != columns) {
    return make_error(ErrorCode::kInvalidArgument,
                      "the factors and the product of a matrix product do not fit");
  }
  return {};
}

#if !defined(SLUICE_CUDA)
Status multiply_on_cuda(const MultiplyTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
