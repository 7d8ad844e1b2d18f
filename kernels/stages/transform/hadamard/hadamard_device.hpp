// SPDX-License-Identifier: Apache-2.0
// A tile of Walsh-Hadamard transforms where its memory is: tuned on the CPU, by the shared body on
// the GPU.
#pragma once

#include "kernels/core/result.hpp"
#include "kernels/stages/transform/hadamard/hadamard_body.hpp"

namespace sluice::kernels {

// On the calling thread. `before` and `after` have `columns` numbers.
void hadamard_on_host(const HadamardTask& task);

// Queued on `stream` (a cudaStream_t; nullptr is the default one). kUnsupported in a build without
// CUDA, kInternal with CUDA's words when the launch fails.
Status hadamard_on_cuda(const HadamardTask& task, void* stream);

}  // namespace sluice::kernels
