// SPDX-License-Identifier: Apache-2.0
// A needle in a haystack, as RULER hides it (Hsieh et al., arXiv 2404.06654): numbers, each with
// its key, among sentences that have nothing to do with them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/tasks.hpp"
#include "runtime/evaluation/tasks/squad_file.hpp"

namespace sluice::runtime {

// What a length leaves, in tokens, to the chat template around a prompt (10 to 35 for small
// models), the beginning of the answer (7) and 16 tokens of what the model says: the longest
// haystack of a context is answered within it.
inline constexpr std::int64_t kAroundTokens = 64;

// Items go round a grid of lengths x depths x keys, each round in an order of its own. The
// sentences are the articles'; when all are used they come again. The asked needle has round(depth
// * n) of the n other sentences before it; needles of other keys lie anywhere. A prompt has at most
// length - kAroundTokens tokens by request.count_tokens, question included, and lacks as few as
// sentences allow. Its id says where it lies: "l512-d0.25-k4-n0".
// kInvalidArgument: a grid that cannot be.
Result<std::vector<EvaluationItem>> needle_items_of(const std::vector<SquadArticle>& articles,
                                                    const ItemRequest& request);

// A row of the table of tasks, on the folder's part of SQuAD.
Result<std::vector<EvaluationItem>> needle_items(const ItemRequest& request);

}  // namespace sluice::runtime
