// SPDX-License-Identifier: Apache-2.0
// From the words of a configuration to an engine's options.
#pragma once

#include <cstdint>
#include <string_view>

#include "kernels/core/result.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {

// `device`: auto | cpu | cuda; `compute`: auto | f32 | bf16. kUnsupported when CUDA is asked for
// and this build or machine has none.
Result<EngineOptions> engine_options(std::string_view device, std::string_view compute,
                                     int threads);

// The cache's shape of a model. BF16: what goes over the wire is what attention reads.
KvShape kv_shape_of(const ModelSpec& spec);

// How many blocks fit in `bytes`.
std::int64_t kv_blocks_in(const KvShape& shape, std::size_t bytes);

// Tokens that a prompt and its answer may have together; `configured` 0 means the model's own.
std::int64_t context_tokens_of(const ModelSpec& spec, std::int64_t configured);

}  // namespace sluice::runtime
