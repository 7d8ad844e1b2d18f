// SPDX-License-Identifier: Apache-2.0
// A tile's rotation where its memory is: tuned on the CPU, by the shared body on the GPU.
#pragma once

#include "kernels/core/result.hpp"
#include "kernels/stages/transform/unrope/unrope_body.hpp"

namespace sluice::kernels {

// On the calling thread; the bits of UnropeBody. The caller has checked the sizes.
void unrope_on_host(const UnropeTask& task);

// Queued on `stream` (a cudaStream_t; nullptr is the default one). kUnsupported in a build without
// CUDA, kInternal with CUDA's words when the launch fails.
Status unrope_on_cuda(const UnropeTask& task, void* stream);

}  // namespace sluice::kernels
