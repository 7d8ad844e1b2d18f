// SPDX-License-Identifier: Apache-2.0
// A study's outcomes as a section of Markdown with charts, and the whole as one HTML page.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/config/study_config.hpp"
#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

struct ReportSection {
  std::string name;      // of the study: its anchor and the prefix of its pictures' names
  std::string markdown;  // pictures as ![title](FOLDER/name.svg)
  std::vector<std::pair<std::string, std::string>> pictures;  // file name, SVG
};

// `folder`: of the pictures, as links say it.
ReportSection study_section(const Study& study, std::span<const Outcome> outcomes,
                            const std::string& folder);

// One self-contained page: pictures within, tables styled, an index at the top.
std::string html_page(const std::string& title, std::span<const ReportSection> sections);

}  // namespace sluice::runtime
