// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/quantize/pack/pack_device.hpp"

namespace sluice::kernels {

Status pack_on_cuda(const PackTask& task, void* stream) {
  return launch_on_cuda(task.rows, PackBody{task}, stream, "pack symbols");
}

Status unpack_on_cuda(const PackTask& task, void* stream) {
  return launch_on_cuda(task.rows, UnpackBody{task}, stream, "unpack symbols");
}

}  // namespace sluice::kernels
