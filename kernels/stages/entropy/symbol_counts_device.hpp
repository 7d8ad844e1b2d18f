// SPDX-License-Identifier: Apache-2.0
// Counting symbols that are in a device's memory.
#pragma once

#include <cstdint>

#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/entropy/symbol_counts.hpp"
#include "kernels/stages/entropy/symbol_counts_body.hpp"

namespace sluice::kernels {

// As count_symbols(); waits for the queue.
Result<SymbolCounts> count_symbols_on(DeviceQueue& queue, const SymbolGroups& groups,
                                      std::int64_t rows, const std::uint8_t* symbols);

// Queued. kUnsupported in a build without CUDA, kInternal with CUDA's words when the launch fails.
Status count_symbols_on_cuda(const SymbolCountTask& task, void* stream);

}  // namespace sluice::kernels
