// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/transform/linear_algebra/projection_device.hpp"

namespace sluice::kernels {

Status shift_on_cuda(const ShiftTask& task, void* stream) {
  return launch_on_cuda(task.from.rows, ShiftBody{task}, stream, "shift rows");
}

}  // namespace sluice::kernels
