// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_figures.hpp"

#include <algorithm>
#include <set>

namespace sluice::runtime {
namespace {

template <typename Map>
Map summaries_of(std::span<const Outcome> outcomes) {
  Map map;
  for (PipelineSummary& summary : summarize(outcomes)) {
    map.insert({{summary.pipeline, summary.task}, std::move(summary)});
  }
  return map;
}

std::string family_name(const std::string& pipeline) {
  return std::string(kernels::calibrated_name(pipeline));
}

std::vector<StudyFamily> families_of(const std::vector<StudyRow>& rows) {
  std::vector<StudyFamily> families;
  for (const StudyRow& row : rows) {
    const std::string name = family_name(row.pipeline);
    const auto found = std::find_if(families.begin(), families.end(),
                                    [&](const StudyFamily& family) { return family.name == name; });
    if (found == families.end()) {
      families.push_back({name, {row.pipeline}});
    } else {
      found->levels.push_back(row.pipeline);
    }
  }
  std::erase_if(families, [](const StudyFamily& family) { return family.levels.size() < 2; });
  return families;
}

}  // namespace

StudyFigures::StudyFigures(const Study& study, std::span<const Outcome> outcomes) : study_(study) {
  std::set<std::string> names = {kFullCache};
  for (const StudyPipeline& pipeline : study.pipelines) names.insert(pipeline.spec.name);
  for (const Outcome& outcome : outcomes) {
    if (names.contains(outcome.pipeline)) outcomes_.push_back(outcome);
  }
  tasks_ = task_names(outcomes_);
  by_task_ = summaries_of<Summaries>(outcomes_);
  std::vector<Outcome> of_length;
  std::set<std::int64_t> lengths;
  for (const Outcome& outcome : outcomes_) {
    if (outcome.length <= 0) continue;
    lengths.insert(outcome.length);
    of_length.push_back(outcome);
    of_length.back().task = std::to_string(outcome.length);
  }
  lengths_.assign(lengths.begin(), lengths.end());
  by_length_ = summaries_of<Summaries>(of_length);
  for (const StudyPipeline& pipeline : study.pipelines) {
    const std::string& name = pipeline.spec.name;
    if (find(name, kAllTasks) == nullptr) continue;
    rows_.push_back(
        {name, pipeline.label.empty() ? name : pipeline.label, pipeline.group, &pipeline});
  }
  if (draws(StudyChart::kPareto)) {
    std::stable_sort(rows_.begin(), rows_.end(), [&](const StudyRow& a, const StudyRow& b) {
      return find(a.pipeline, kAllTasks)->ratio.mean < find(b.pipeline, kAllTasks)->ratio.mean;
    });
  }
  families_ = families_of(rows_);
}

const PipelineSummary* StudyFigures::find(const std::string& pipeline,
                                          const std::string& task) const {
  const auto found = by_task_.find({pipeline, task});
  return found == by_task_.end() ? nullptr : &found->second;
}

const PipelineSummary* StudyFigures::find(const std::string& pipeline, std::int64_t length) const {
  const auto found = by_length_.find({pipeline, std::to_string(length)});
  return found == by_length_.end() ? nullptr : &found->second;
}

double StudyFigures::published(const StudyRow& row, const std::string& task) const {
  if (row.study != nullptr) {
    const auto found = row.study->published.find(task);
    if (found != row.study->published.end()) return found->second;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

bool StudyFigures::has_published() const {
  return std::any_of(rows_.begin(), rows_.end(), [](const StudyRow& row) {
    return row.study != nullptr && !row.study->published.empty();
  });
}

bool StudyFigures::draws(StudyChart chart) const {
  return std::find(study_.charts.begin(), study_.charts.end(), chart) != study_.charts.end();
}

bool StudyFigures::is_of_family(const std::string& pipeline) const {
  return std::any_of(families_.begin(), families_.end(), [&](const StudyFamily& family) {
    return std::find(family.levels.begin(), family.levels.end(), pipeline) != family.levels.end();
  });
}

}  // namespace sluice::runtime
