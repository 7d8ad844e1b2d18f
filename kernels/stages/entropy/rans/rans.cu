// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/entropy/rans/rans_device.hpp"

namespace sluice::kernels {

Status rans_decode_on_cuda(const RansDecodeTask& task, void* stream) {
  return launch_on_cuda(task.layout.blocks(), RansDecodeBody{task}, stream, "run rANS");
}

Status rans_encode_on_cuda(const RansEncodeTask& task, void* stream) {
  return launch_on_cuda(task.layout.blocks(), RansEncodeBody{task}, stream, "run rANS");
}

}  // namespace sluice::kernels
