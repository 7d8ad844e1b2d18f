// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_launch.hpp"
#include "kernels/stages/entropy/symbol_counts_device.hpp"

namespace sluice::kernels {

Status count_symbols_on_cuda(const SymbolCountTask& task, void* stream) {
  return launch_on_cuda(task.counted, SymbolCountBody{task}, stream, "count symbols");
}

}  // namespace sluice::kernels
