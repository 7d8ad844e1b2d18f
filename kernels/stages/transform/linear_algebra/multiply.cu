// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/transform/linear_algebra/multiply_device.hpp"

namespace sluice::kernels {

Status multiply_on_cuda(const MultiplyTask& task, void* stream) {
  SLUICE_TRY(check_multiply(task));
  const MultiplyTileBody body{task};
  return launch_on_cuda(body.grid(), body, stream, "multiply matrices");
}

}  // namespace sluice::kernels
