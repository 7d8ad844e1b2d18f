// SPDX-License-Identifier: Apache-2.0
// A tile of round-to-nearest where its memory is: tuned on the CPU, by the shared body on the GPU.
#pragma once

#include "kernels/core/result.hpp"
#include "kernels/stages/quantize/rtn/rtn_body.hpp"

namespace sluice::kernels {

// On the calling thread. The caller has checked the sizes: side_bytes() of side, rows * columns
// symbols, group > 0, bits from 2 to 8.
void rtn_encode_on_host(const RtnTask& task);
void rtn_decode_on_host(const RtnTask& task);

// Queued on `stream` (a cudaStream_t; nullptr is the default one). kUnsupported in a build without
// CUDA, kInternal with CUDA's words when the launch fails.
Status rtn_encode_on_cuda(const RtnTask& task, void* stream);
Status rtn_decode_on_cuda(const RtnTask& task, void* stream);

}  // namespace sluice::kernels
