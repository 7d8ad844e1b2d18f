// SPDX-License-Identifier: Apache-2.0
// Chosen rows of pages to a matrix and back, and BF16 to FP32 and back, in a device's memory.
#pragma once

#include <cstdint>

#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/kv/kv_gather_body.hpp"

namespace sluice::kernels {

// Queued. FP32 to BF16 rounds to nearest, ties to even.
Status gather_kv_on(DeviceQueue& queue, const KvGatherTask& task);
Status scatter_kv_on(DeviceQueue& queue, const KvGatherTask& task);
Status round_rows_on(DeviceQueue& queue, const ConvertRowsBody<float, std::uint16_t>& rows,
                     std::int64_t count);
Status expand_rows_on(DeviceQueue& queue, const ConvertRowsBody<std::uint16_t, float>& rows,
                      std::int64_t count);

// What the above call where the queue is CUDA's. kUnsupported in a build without CUDA, kInternal
// with CUDA's words when the launch fails.
Status gather_kv_on_cuda(const KvGatherTask& task, void* stream);
Status scatter_kv_on_cuda(const KvGatherTask& task, void* stream);
Status round_rows_on_cuda(const ConvertRowsBody<float, std::uint16_t>& rows, std::int64_t count,
                          void* stream);
Status expand_rows_on_cuda(const ConvertRowsBody<std::uint16_t, float>& rows, std::int64_t count,
                           void* stream);

}  // namespace sluice::kernels
