// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks.hpp"

#include <array>

#include "runtime/evaluation/answer_score.hpp"
#include "runtime/evaluation/tasks/hotpotqa_items.hpp"
#include "runtime/evaluation/tasks/mmlu_items.hpp"
#include "runtime/evaluation/tasks/needle_items.hpp"
#include "runtime/evaluation/tasks/squad_items.hpp"
#include "runtime/evaluation/tasks/triviaqa_items.hpp"
#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

constexpr std::array<TaskRow, 5> kTasks = {{
    {"squad", "a question to three paragraphs of an article (SQuAD 2.0, answerable questions)",
     "F1", squad_items, squad_score},
    {"triviaqa", "a question to retrieved passages (TriviaQA)", "F1", triviaqa_items,
     triviaqa_score},
    {"hotpotqa", "a question to ten paragraphs, two of which answer it together (HotpotQA)", "F1",
     hotpotqa_items, hotpotqa_score},
    {"mmlu", "four choices, by the likelihood of their letters (MMLU, no examples)", "accuracy",
     mmlu_items, choice_score},
    {"needle", "a number hidden among sentences of SQuAD's articles (as RULER does)", "exact match",
     needle_items, needle_score},
}};

}  // namespace

std::span<const TaskRow> task_rows() { return kTasks; }

Result<const TaskRow*> find_task(std::string_view name) {
  std::string known;
  for (const TaskRow& row : kTasks) {
    if (row.name == name) return &row;
    if (!known.empty()) known += ", ";
    known += row.name;
  }
  return make_error(ErrorCode::kNotFound,
                    "there is no task " + printable(name) + "; there are " + known);
}

}  // namespace sluice::runtime
