// SPDX-License-Identifier: Apache-2.0
// Is it right? What a model said, against an item's gold answers, by the data sets' own rules.
#pragma once

#include <string>
#include <string_view>

#include "runtime/evaluation/item.hpp"

namespace sluice::runtime {

// Small letters, without ASCII punctuation, the words a, an, the, and spare spaces. `normalize_
// answer` of SQuAD's evaluate-v2.0.py (Rajpurkar et al., arXiv 1806.03822) and of HotpotQA's
// hotpot_evaluate_v1.py (arXiv 1809.09600), which is the same.
std::string squad_normal_form(std::string_view text);

// The same for TriviaQA: an underscore, ASCII punctuation and three quotation marks beyond it
// become spaces rather than nothing. `normalize_answer` of triviaqa_evaluation.py (arXiv
// 1705.03551).
std::string triviaqa_normal_form(std::string_view text);

// Each 0..1, the greatest over the gold answers.
// F1 of words. Answers that are nothing in normal form are left out; if none is left, nothing is
// the right answer. `get_raw_scores` and `compute_f1` of evaluate-v2.0.py.
double squad_score(const EvaluationItem& item, std::string_view said);
// F1 of words, but all or nothing where either is yes, no or noanswer. `f1_score` of
// hotpot_evaluate_v1.py.
double hotpotqa_score(const EvaluationItem& item, std::string_view said);
// F1 of words over all aliases. `f1_score` and `metric_max_over_ground_truths` of
// triviaqa_evaluation.py.
double triviaqa_score(const EvaluationItem& item, std::string_view said);
// 1 when the letter chosen is the right one.
double choice_score(const EvaluationItem& item, std::string_view said);
// Share of the answers that occur in what was said, letter case aside: `string_match_all` of RULER
// (arXiv 2404.06654).
double needle_score(const EvaluationItem& item, std::string_view said);

// 1 when what was said is a gold answer in normal form, by the task's rules: `compute_exact`,
// `exact_match_score`. For a task whose score is no F1, its score.
double exact_match(const EvaluationItem& item, std::string_view said);

}  // namespace sluice::runtime
