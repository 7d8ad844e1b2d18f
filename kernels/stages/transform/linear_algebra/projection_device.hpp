// SPDX-License-Identifier: Apache-2.0
// The plans of projection.hpp in a device's memory.
#pragma once

#include <span>

#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/transform/linear_algebra/projection.hpp"
#include "kernels/stages/transform/linear_algebra/shift_body.hpp"

namespace sluice::kernels {

// The matrices' memory is the queue's, the blocks are the host's and stay until its wait(). Queued.
Status project_on(DeviceQueue& queue, std::span<const LinearBlock> blocks, ConstMatrix rows,
                  Matrix transformed);
Status unproject_on(DeviceQueue& queue, std::span<const LinearBlock> blocks,
                    ConstMatrix transformed, Matrix rows);

// Queued on `stream` (a cudaStream_t; nullptr is the default one). kUnsupported in a build without
// CUDA; kInternal with CUDA's words when the launch fails.
Status shift_on_cuda(const ShiftTask& task, void* stream);

}  // namespace sluice::kernels
