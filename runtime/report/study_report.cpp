// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/study_report.hpp"

#include "runtime/report/figure_text.hpp"
#include "runtime/report/study_charts.hpp"
#include "runtime/report/study_figures.hpp"
#include "runtime/report/study_tables.hpp"

namespace sluice::runtime {
namespace {

void add_part(std::string& markdown, const std::string& heading, const std::string& body) {
  if (body.empty()) return;
  markdown += "\n";
  if (!heading.empty()) markdown += "### " + heading + "\n\n";
  markdown += body;
  if (!body.ends_with('\n')) markdown += "\n";
}

// Small pictures two in a row, others alone.
std::string picture_links(const std::vector<StudyPicture>& pictures, const std::string& folder) {
  std::string links;
  bool is_row_open = false;
  for (const StudyPicture& picture : pictures) {
    if (!links.empty() && !(picture.is_small && is_row_open)) links += "\n";
    links += "![" + markdown_text(picture.title) + "](" + folder + "/" + picture.file + ")\n";
    is_row_open = picture.is_small && !is_row_open;
  }
  return links;
}

}  // namespace

ReportSection study_section(const Study& study, std::span<const Outcome> outcomes,
                            const std::string& folder) {
  const StudyFigures figures(study, outcomes);
  ReportSection section;
  section.name = study.name;
  section.markdown = "## " + study.title + "\n";
  add_part(section.markdown, "", study.question);
  if (figures.rows().empty()) {
    add_part(section.markdown, "", "Not measured yet.");
    return section;
  }
  add_part(section.markdown, "",
           "The items, and what the model says to them after the whole cache:\n\n" +
               setting_table(figures));
  add_part(section.markdown, "All tasks, counting alike", overall_table(figures));
  std::vector<StudyPicture> pictures = study_pictures(figures);
  add_part(section.markdown, "", picture_links(pictures, folder));
  const std::string published =
      figures.has_published() ? ", with the published figure in brackets" : "";
  add_part(section.markdown, "Score by task, % of the whole cache's" + published,
           score_table(figures));
  add_part(section.markdown, "Change of the gold answer's NLL by task, %",
           likelihood_table(figures));
  if (figures.draws(StudyChart::kLengths)) {
    add_part(section.markdown, "By length of the context, in tokens", length_table(figures));
  }
  if (figures.draws(StudyChart::kPareto)) {
    add_part(section.markdown, "At equal bytes", equal_bytes_table(figures));
  }
  add_part(section.markdown, "What came of it", study.analysis);
  for (StudyPicture& picture : pictures) {
    section.pictures.emplace_back(std::move(picture.file), std::move(picture.svg));
  }
  return section;
}

}  // namespace sluice::runtime
