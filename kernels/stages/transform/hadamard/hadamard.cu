// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/transform/hadamard/hadamard_body.hpp"
#include "kernels/stages/transform/hadamard/hadamard_device.hpp"

namespace sluice::kernels {

Status hadamard_on_cuda(const HadamardTask& task, void* stream) {
  return launch_on_cuda(task.rows * (task.columns / task.size), HadamardBody{task}, stream,
                        "transform");
}

}  // namespace sluice::kernels
