// SPDX-License-Identifier: Apache-2.0
// Questions to three paragraphs of one article, one of which answers.
#pragma once

#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/tasks.hpp"
#include "runtime/evaluation/tasks/squad_file.hpp"

namespace sluice::runtime {

// Article by article, and within one a question of each paragraph before a second one of any.
std::vector<EvaluationItem> squad_items_of(const std::vector<SquadArticle>& articles,
                                           const ItemRequest& request);

// A row of the table of tasks.
Result<std::vector<EvaluationItem>> squad_items(const ItemRequest& request);

}  // namespace sluice::runtime
