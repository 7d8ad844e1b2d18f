// SPDX-License-Identifier: Apache-2.0
// The house rules that a program can check. Each check is a pure function of a tree.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tidy/source_tree.hpp"

namespace sluice::tidy {

struct Finding {
  std::string path;
  std::size_t line = 0;  // from 1; 0 for the whole file
  std::string what;
};

using Findings = std::vector<Finding>;

// A rule has a short name, by which the list of exceptions knows it.
struct Rule {
  std::string_view name;
  std::string_view sentence;
  Findings (*check)(const SourceTree& tree);
};

const std::vector<Rule>& rules();

// For GoogleTest's messages.
inline void PrintTo(const Rule& rule, std::ostream* stream) { *stream << rule.name; }

// Folders, includes (include_checks.cpp).
Findings check_arrows(const SourceTree& tree);
Findings check_one_dependency_one_folder(const SourceTree& tree);
Findings check_public_headers(const SourceTree& tree);
Findings check_backend_conditionals(const SourceTree& tree);

// Lines and words (text_checks.cpp).
Findings check_sizes(const SourceTree& tree);
Findings check_license_line(const SourceTree& tree);
Findings check_todos(const SourceTree& tree);
Findings check_library_silence(const SourceTree& tree);
Findings check_environment(const SourceTree& tree);
Findings check_names(const SourceTree& tree);
Findings check_sleeps(const SourceTree& tree);

// Build files and mirrors (build_checks.cpp).
Findings check_listed_in_cmake(const SourceTree& tree);
Findings check_commented_out_cmake(const SourceTree& tree);
Findings check_mirrored_tests(const SourceTree& tree);

// The list of exceptions: lines of "rule path", # starts a comment. An exception that is not needed
// any more is a finding itself, so the list only shrinks.
struct Judgement {
  Findings broken;
  std::vector<std::string> unneeded;
};
Judgement judge(const Rule& rule, const SourceTree& tree,
                const std::vector<std::string>& exceptions);

}  // namespace sluice::tidy
