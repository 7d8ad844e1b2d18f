// SPDX-License-Identifier: Apache-2.0
#include "launch/finding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>

namespace sluice::launch {

const char* mark_name(Mark mark) {
  switch (mark) {
    case Mark::kOk:
      return "OK";
    case Mark::kNote:
      return "NOTE";
    case Mark::kMissing:
      return "MISSING";
    case Mark::kSlow:
      return "SLOW";
    case Mark::kBroken:
      return "BROKEN";
  }
  return "unknown";
}

void print_finding_list(std::ostream& out, std::span<const Finding> findings) {
  std::size_t name_width = 0;
  for (const Finding& finding : findings) name_width = std::max(name_width, finding.name.size());
  std::string group;
  for (const Finding& finding : findings) {
    if (finding.group != group) {
      out << (group.empty() ? "" : "\n") << finding.group << '\n';
      group = finding.group;
    }
    out << fmt::format("  {:<8} {:<{}}  {}\n", mark_name(finding.mark), finding.name, name_width,
                       finding.found);
    const std::string indent(2 + 8 + 1 + name_width + 2, ' ');
    if (!finding.lost.empty()) out << indent << "lost: " << finding.lost << '\n';
    if (!finding.remedy.empty()) out << indent << "get:  " << finding.remedy << '\n';
  }
}

void print_findings(std::ostream& out, std::span<const Finding> findings) {
  print_finding_list(out, findings);
  const auto count = [&](Mark mark) {
    return std::count_if(findings.begin(), findings.end(),
                         [&](const Finding& finding) { return finding.mark == mark; });
  };
  out << fmt::format(
      "\n{} OK, {} NOTE, {} MISSING, {} BROKEN: {}\n", count(Mark::kOk), count(Mark::kNote),
      count(Mark::kMissing), count(Mark::kBroken),
      exit_status(findings) == 0 ? "this machine can serve." : "this machine cannot serve.");
}

int exit_status(std::span<const Finding> findings) {
  const bool broken = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.mark == Mark::kBroken;
  });
  return broken ? 1 : 0;
}

}  // namespace sluice::launch
