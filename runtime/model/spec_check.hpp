// SPDX-License-Identifier: Apache-2.0
// Whether a spec out of a file makes sense, before anything is computed from it.
#pragma once

#include <string>

#include "kernels/core/result.hpp"
#include "runtime/model/model_spec.hpp"

namespace sluice::runtime {

// kCorrupt with the first value that is impossible. After it, products of two sizes of the spec
// fit into 64 bits. `source` opens the message.
Status check_spec(const ModelSpec& spec, const std::string& source);

}  // namespace sluice::runtime
