// SPDX-License-Identifier: Apache-2.0
// The decode engine of CUDA, on LibTorch.
#pragma once

#include <memory>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

// As DecodeEngine::create, for any device LibTorch has; keeps nothing of `model`. Sequences go
// through the layers one by one, and K and V come from host memory in each step: right, not fast.
Result<std::unique_ptr<DecodeEngine>> create_torch_decode_engine(const ModelFile& model,
                                                                 const EngineOptions& options);

}  // namespace sluice::runtime
