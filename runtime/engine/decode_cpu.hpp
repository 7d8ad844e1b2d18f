// SPDX-License-Identifier: Apache-2.0
// The decode engine of CPUs: kernels/ on the mapped weights, no LibTorch.
#pragma once

#include <memory>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

// As DecodeEngine::create, for Device::kCpu. Computes in FP32 whatever `options.compute` says:
// decode is bound by reading weights, which stay as stored.
Result<std::unique_ptr<DecodeEngine>> create_decode_cpu(const ModelFile& model,
                                                        const EngineOptions& options);

}  // namespace sluice::runtime
