// SPDX-License-Identifier: Apache-2.0
// The Llama architecture: also SmolLM2, Yi, and Mistral without a sliding window.
#pragma once

#include "runtime/model/architecture.hpp"

namespace sluice::runtime {

// Its row of the table. Called while the table is made, hence no constant in another file.
Architecture llama_architecture();

}  // namespace sluice::runtime
