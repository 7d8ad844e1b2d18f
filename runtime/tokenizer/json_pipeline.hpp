// SPDX-License-Identifier: Apache-2.0
// The parts of a tokenizer.json around its model: what is done to text and to tokens.
#pragma once

#include <string>

#include "kernels/core/result.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

// JSON texts, "null" where the file has none.
struct JsonPipeline {
  std::string normalizer = "null";
  std::string pre_tokenizer = "null";
  std::string post_processor = "null";
  std::string decoder = "null";
};

// Fills the fields of `data` that these describe. kUnsupported names a part we do not do.
Status read_json_pipeline(const JsonPipeline& pipeline, TokenizerData& data);

}  // namespace sluice::runtime
