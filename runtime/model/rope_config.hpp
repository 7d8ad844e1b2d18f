// SPDX-License-Identifier: Apache-2.0
// The RoPE settings of a model, as both formats write them.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/core/result.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/model/model_config.hpp"
#include "runtime/model/model_spec.hpp"

namespace sluice::runtime {

// Everything but the style. `prefix`: "llama", as the metadata keys start. `source` opens error
// messages. `spec` has head_dim and
// context_max already. kUnsupported for a scaling that is not one of RopeScaling.
Result<RopeSpec> rope_from_gguf(const GgufFile& file, const std::string& prefix,
                                const std::string& source, const ModelSpec& spec);

// "rope_parameters" (transformers 5) or "rope_scaling" and "rope_theta" (before).
Result<RopeSpec> rope_from_config(const ModelConfig& config, const ModelSpec& spec);

}  // namespace sluice::runtime
