// SPDX-License-Identifier: Apache-2.0
// A matrix product where its memory is, on the GPU.
#pragma once

#include "kernels/core/result.hpp"
#include "kernels/stages/transform/linear_algebra/multiply_body.hpp"

namespace sluice::kernels {

// The bits of multiply() and multiply_transposed(). Queued on `stream` (a cudaStream_t; nullptr is
// the default one). kInvalidArgument: shapes that do not fit; kUnsupported in a build without CUDA;
// kInternal with CUDA's words when the launch fails.
Status multiply_on_cuda(const MultiplyTask& task, void* stream);

// As above, without a launch.
Status check_multiply(const MultiplyTask& task);

}  // namespace sluice::kernels
