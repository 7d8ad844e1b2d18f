// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/transform/unrope/unrope_device.hpp"

namespace sluice::kernels {

Status unrope_on_cuda(const UnropeTask& task, void* stream) {
  return launch_on_cuda(task.rows, UnropeBody{task}, stream, "turn keys");
}

}  // namespace sluice::kernels
