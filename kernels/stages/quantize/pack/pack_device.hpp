// SPDX-License-Identifier: Apache-2.0
// Packing in a device's memory: the bytes of pack_bits.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/quantize/pack/pack_body.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

// Queued. `packed` has packed_bytes(shape, rows); symbols come out below 2^bits.
Status pack_on(DeviceQueue& queue, const SymbolShape& shape, std::int64_t rows,
               const std::uint8_t* symbols, std::byte* packed);
Status unpack_on(DeviceQueue& queue, const SymbolShape& shape, std::int64_t rows,
                 const std::byte* packed, std::uint8_t* symbols);

// What the above call where the queue is CUDA's. kUnsupported in a build without CUDA, kInternal
// with CUDA's words when the launch fails.
Status pack_on_cuda(const PackTask& task, void* stream);
Status unpack_on_cuda(const PackTask& task, void* stream);

}  // namespace sluice::kernels
