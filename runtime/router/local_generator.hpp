// SPDX-License-Identifier: Apache-2.0
// The whole job in one process: the same engines without a handoff. The yardstick of correctness,
// and what `sluice run --local` is.
#pragma once

#include <functional>
#include <memory>

#include "runtime/config/config.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/request/generate.hpp"

namespace sluice::runtime {

// One request at a time, computed on the caller's thread inside next(). `model` and `end_tokens`
// must outlive it. `progress` gets 0..1 while the model loads.
Result<std::unique_ptr<Generator>> create_local_generator(
    const ModelFile& model, const ClusterConfig& config, std::span<const TokenId> end_tokens,
    const std::function<void(double)>& progress);

}  // namespace sluice::runtime
