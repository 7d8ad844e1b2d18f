// SPDX-License-Identifier: Apache-2.0
// The merges that a SentencePiece BPE vocabulary implies: it has scores and no merge list.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

// Two pieces merge when what they write together is a piece; the higher its score, the earlier.
// `mergeable[i]` says whether piece i takes part. kUnsupported for pieces of absurd length.
Result<std::vector<MergeRule>> merges_from_scores(std::span<const std::string> pieces,
                                                  std::span<const double> scores,
                                                  const std::vector<bool>& mergeable);

}  // namespace sluice::runtime
