// SPDX-License-Identifier: Apache-2.0
// MMLU (Hendrycks et al., arXiv 2009.03300): four choices, no examples before the question.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/tasks.hpp"

namespace sluice::runtime {

// A subject's CSV of question, A, B, C, D, answer, without a header, in the file's order. The
// prompt is the official one up to "Answer:", which the model's answer begins with; the choices are
// what the official evaluation compares after it, " A" to " D".
Result<std::vector<EvaluationItem>> parse_mmlu(std::string_view text, const std::string& subject,
                                               const std::string& name);

// A row of the table of tasks: all mmlu/*_test.csv of a folder, subject by subject.
Result<std::vector<EvaluationItem>> mmlu_items(const ItemRequest& request);

}  // namespace sluice::runtime
