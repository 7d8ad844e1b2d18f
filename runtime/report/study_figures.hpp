// SPDX-License-Identifier: Apache-2.0
// A study's outcomes put in order: what its tables and charts are made of.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/config/study_config.hpp"
#include "runtime/evaluation/equal_bytes.hpp"
#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

struct StudyRow {
  std::string pipeline;  // the outcomes' name of it
  std::string label;
  std::string group;
  const StudyPipeline* study = nullptr;  // null: the whole cache
};

// Levels of one pipeline: best@4, best@8 and so on.
struct StudyFamily {
  std::string name;
  std::vector<std::string> levels;
};

// Borrows the study and the outcomes.
class StudyFigures {
 public:
  StudyFigures(const Study& study, std::span<const Outcome> outcomes);

  const Study& study() const { return study_; }
  // Of the study's pipelines alone.
  std::span<const Outcome> outcomes() const { return outcomes_; }
  const std::vector<std::string>& tasks() const { return tasks_; }  // without "all"
  // Measured ones, the whole cache not among them; by ratio where the study draws them by ratio,
  // else in its order.
  const std::vector<StudyRow>& rows() const { return rows_; }
  const std::vector<StudyFamily>& families() const { return families_; }
  // Of the needles, ascending; empty when no item has a length.
  const std::vector<std::int64_t>& lengths() const { return lengths_; }

  const PipelineSummary* find(const std::string& pipeline, const std::string& task) const;
  // On the items of that length.
  const PipelineSummary* find(const std::string& pipeline, std::int64_t length) const;
  // NaN where nothing is published.
  double published(const StudyRow& row, const std::string& task) const;
  bool has_published() const;
  bool draws(StudyChart chart) const;
  bool is_of_family(const std::string& pipeline) const;

 private:
  using Summaries = std::map<std::pair<std::string, std::string>, PipelineSummary>;

  const Study& study_;
  std::vector<Outcome> outcomes_;
  std::vector<std::string> tasks_;
  std::vector<std::int64_t> lengths_;
  std::vector<StudyRow> rows_;
  std::vector<StudyFamily> families_;
  Summaries by_task_;
  Summaries by_length_;
};

}  // namespace sluice::runtime
