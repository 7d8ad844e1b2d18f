// SPDX-License-Identifier: Apache-2.0
// rANS where the symbols are on a GPU: the body's tasks, with pointers of device memory.
#pragma once

#include "kernels/core/result.hpp"
#include "kernels/stages/entropy/rans/rans_body.hpp"

namespace sluice::kernels {

// Queued on `stream` (a cudaStream_t; nullptr is the default one), a warp per block of the plane;
// returns at once. Whether a block was corrupt is in task.is_corrupt. The caller has checked that
// every block has its states (words_count). kUnsupported in a build without CUDA, kInternal with
// CUDA's words when the launch fails.
Status rans_decode_on_cuda(const RansDecodeTask& task, void* stream);
Status rans_encode_on_cuda(const RansEncodeTask& task, void* stream);

}  // namespace sluice::kernels
