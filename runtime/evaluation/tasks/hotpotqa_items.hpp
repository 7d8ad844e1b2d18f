// SPDX-License-Identifier: Apache-2.0
// HotpotQA (Yang et al., arXiv 1809.09600), distractor setting: a question to ten paragraphs, two
// of which together answer it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/tasks.hpp"

namespace sluice::runtime {

// A list of questions in the file's order, their `context` as in the official file ([title,
// sentences] pairs) or in its columns ({title: [], sentences: []}). A question without `_id` or
// `id` is named by its number.
Result<std::vector<EvaluationItem>> parse_hotpotqa(std::string_view text, const std::string& name);

// A row of the table of tasks: the one hotpot-*.json or hotpot_dev_distractor*.json of a folder.
Result<std::vector<EvaluationItem>> hotpotqa_items(const ItemRequest& request);

}  // namespace sluice::runtime
