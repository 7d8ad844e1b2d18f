// SPDX-License-Identifier: Apache-2.0
// A study: which pipelines on which tasks, the figures that others published beside ours, and what
// we make of it. configs/studies/NAME.yaml; docs/quality.md is made of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"

namespace sluice::runtime {

struct StudyTask {
  std::string name;
  std::int64_t count = 0;
  std::vector<std::int64_t> lengths;  // needles: the grid; empty: the task's own
  std::vector<double> depths;
  std::vector<std::int64_t> keys;
};

struct StudyPipeline {
  kernels::PipelineSpec spec;  // a preset's, or written in the study
  std::string label;           // in tables and charts; empty: the spec's name
  std::string group;           // rows of one group belong together (a colour of the chart)
  // Published figures beside ours: by task, or "all"; percent of the full cache's score.
  std::map<std::string, double> published;
};

enum class StudyChart : std::uint8_t {
  kPareto,   // loss against ratio, a point a pipeline
  kBars,     // relative score by task, published figures beside
  kLengths,  // loss against the length of the context
  kHeatMap,  // needles: depth x length, one for each pipeline
};

struct Study {
  std::string name;
  std::string title;     // Markdown, a line
  std::string question;  // Markdown: what is asked, and what others say, with the source
  std::vector<StudyTask> tasks;
  std::vector<StudyPipeline> pipelines;
  std::vector<StudyChart> charts;
  bool delta_statistics = false;  // with variance and entropy of differences between tokens
  std::string analysis;           // Markdown: what came of it
};

// `file_name` without its folders and ending is the study's name. Pipelines named alone, and "all"
// for every preset, are looked for in `presets`. kInvalidArgument names file, line and key.
Result<Study> parse_study(const std::string& yaml, const std::string& file_name,
                          const std::filesystem::path& presets);
Result<Study> load_study(const std::filesystem::path& path, const std::filesystem::path& presets);
// Sorted by file name. Refused too: one name for two pipelines in two of them.
Result<std::vector<Study>> load_studies(const std::filesystem::path& folder,
                                        const std::filesystem::path& presets);

}  // namespace sluice::runtime
