// SPDX-License-Identifier: Apache-2.0
// A study's figures as tables of Markdown. An empty string: there is nothing to say.
#pragma once

#include <string>

#include "runtime/report/study_figures.hpp"

namespace sluice::runtime {

// What the items are and what the model says to them after the whole cache.
std::string setting_table(const StudyFigures& figures);
// A line for each pipeline, over all tasks; published figures beside.
std::string overall_table(const StudyFigures& figures);
// The score by task, published figures beside; empty for a single task.
std::string score_table(const StudyFigures& figures);
// The change of the gold answer's likelihood by task; empty for a single task.
std::string likelihood_table(const StudyFigures& figures);
// KL and likelihood by the length of the context; empty without lengths.
std::string length_table(const StudyFigures& figures);
// Every family of levels against every other pipeline at its bytes.
std::string equal_bytes_table(const StudyFigures& figures);

}  // namespace sluice::runtime
