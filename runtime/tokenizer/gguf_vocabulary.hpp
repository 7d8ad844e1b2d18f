// SPDX-License-Identifier: Apache-2.0
// Reads a tokenizer from GGUF metadata (the keys tokenizer.*).
#pragma once

#include "kernels/core/result.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

// kCorrupt for arrays that are missing, of the wrong kind or of sizes that differ, and for ids out
// of range; kUnsupported for a kind of tokenizer that we do not do.
Result<TokenizerData> read_gguf_vocabulary(const GgufFile& gguf);

}  // namespace sluice::runtime
