// SPDX-License-Identifier: Apache-2.0
// TriviaQA (Joshi et al., arXiv 1705.03551) with retrieved passages: a question to one of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/tasks.hpp"

namespace sluice::runtime {

// JSON lines of id, question, answers (all aliases) and context, in the file's order. The first
// gold answer is the first alias that the passage holds, if it holds one.
Result<std::vector<EvaluationItem>> parse_triviaqa(std::string_view text, const std::string& name);

// A row of the table of tasks: the one triviaqa-*.jsonl of a folder.
Result<std::vector<EvaluationItem>> triviaqa_items(const ItemRequest& request);

}  // namespace sluice::runtime
