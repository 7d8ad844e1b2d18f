// SPDX-License-Identifier: Apache-2.0
// The prefill engine on LibTorch, behind PrefillEngine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

// Which forward pass: the fused one needs a CPU; the plain one runs anywhere LibTorch does.
enum class TorchPath : std::uint8_t { kFused, kPlain };

// As PrefillEngine::create, which picks the path by the device.
Result<std::unique_ptr<PrefillEngine>> create_prefill_torch(
    const ModelFile& model, const EngineOptions& options, TorchPath path,
    const std::function<void(double)>& progress);

}  // namespace sluice::runtime
