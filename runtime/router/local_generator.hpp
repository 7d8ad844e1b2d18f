// SPDX-License-Identifier: Apache-2.0
// The whole job in one process: the same engines and the same frames without a handoff. The
// yardstick of correctness, and what `sluice run --local` is.
#pragma once

#include <functional>
#include <memory>

#include "runtime/config/config.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/frames/pipeline_set.hpp"
#include "runtime/request/generate.hpp"

namespace sluice::runtime {

// One request at a time, computed on the caller's thread inside next(); its prompt's cache is
// encoded and decoded as between workers, so that the answer is theirs to the token. `model`,
// `pipelines` and `end_tokens` must outlive it. `progress` gets 0..1 while the model loads.
Result<std::unique_ptr<Generator>> create_local_generator(
    const ModelFile& model, const ClusterConfig& config, PipelineSet& pipelines,
    std::span<const TokenId> end_tokens, const std::function<void(double)>& progress);

}  // namespace sluice::runtime
