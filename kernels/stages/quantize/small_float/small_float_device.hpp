// SPDX-License-Identifier: Apache-2.0
// A tile of small floats where its memory is: tuned on the CPU, by the shared body on the GPU.
#pragma once

#include "kernels/core/result.hpp"
#include "kernels/stages/quantize/small_float/small_float_body.hpp"

namespace sluice::kernels {

// On the calling thread. The caller has checked the sizes: side_bytes() of side, rows * columns
// symbols, group > 0.
void small_float_encode_on_host(const SmallFloatTask& task);
void small_float_decode_on_host(const SmallFloatTask& task);

// Queued on `stream` (a cudaStream_t; nullptr is the default one). kUnsupported in a build without
// CUDA, kInternal with CUDA's words when the launch fails.
Status small_float_encode_on_cuda(const SmallFloatTask& task, void* stream);
Status small_float_decode_on_cuda(const SmallFloatTask& task, void* stream);

}  // namespace sluice::kernels
