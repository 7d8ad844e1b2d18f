// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include "tests/tidy/checks.hpp"

namespace sluice::tidy {
namespace {

bool is_source(std::string_view path) {
  return has_suffix(path, ".cpp") || has_suffix(path, ".cu");
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

bool is_name_part(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
}

// Whether `lines` name `file` as a whole word (a/b.cpp is not named by xa/b.cpp or a/b.cppm).
bool names_file(const std::vector<std::string>& lines, const std::string& file) {
  for (const std::string& line : lines) {
    const std::string code = line.substr(0, line.find('#'));
    for (std::size_t at = code.find(file); at != std::string::npos; at = code.find(file, at + 1)) {
      const bool starts = at == 0 || (!is_name_part(code[at - 1]) && code[at - 1] != '/') ||
                          code.find("${PROJECT_SOURCE_DIR}/") == at - 22;
      const std::size_t end = at + file.size();
      if (starts && (end == code.size() || !is_name_part(code[end]))) return true;
    }
  }
  return false;
}

}  // namespace

Findings check_listed_in_cmake(const SourceTree& tree) {
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (!is_source(path)) continue;
    bool is_listed = false;
    // In its own folder's file, or by a longer name in one above.
    for (std::string folder = folder_of(path); !is_listed;
         folder = folder_of(folder.substr(0, folder.size() - 1))) {
      const auto list = tree.find(folder + "CMakeLists.txt");
      if (list != tree.end()) is_listed = names_file(list->second, path.substr(folder.size()));
      if (folder.empty()) break;
    }
    if (!is_listed) findings.push_back({path, 0, "no CMakeLists.txt lists it"});
  }
  return findings;
}

Findings check_commented_out_cmake(const SourceTree& tree) {
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (!has_suffix(path, "CMakeLists.txt")) continue;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string_view text = lines[i];
      const std::size_t hash = text.find_first_not_of(' ');
      if (hash == std::string_view::npos || text[hash] != '#') continue;
      text.remove_prefix(hash + 1);
      text.remove_prefix(std::min(text.find_first_not_of(" #"), text.size()));
      // A command is a word of small letters and an opening parenthesis right behind it. An
      // ellipsis shows that a signature is described.
      const std::size_t open = text.find('(');
      bool is_command = open != std::string_view::npos && open > 0;
      for (const char c : text.substr(0, open)) {
        is_command = is_command && (std::islower(static_cast<unsigned char>(c)) != 0 || c == '_');
      }
      const bool is_open = text.find(')') == std::string_view::npos;  // goes on in the next line
      is_command = is_command && (is_open || has_suffix(text, ")")) &&
                   text.find("...") == std::string_view::npos;
      const bool is_file = text.find(' ') == std::string_view::npos && is_source(text);
      if (is_command || is_file) {
        findings.push_back({path, i + 1, "is commented out: " + std::string(text)});
      }
    }
  }
  return findings;
}

Findings check_mirrored_tests(const SourceTree& tree) {
  static const std::set<std::string_view> kMirrored{"kernels", "comm", "scheduler", "runtime"};
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (!has_suffix(path, ".cpp") || kMirrored.count(top_folder(path)) == 0) continue;
    const std::string mirror = "tests/" + path.substr(0, path.size() - 4) + "_test.cpp";
    if (tree.count(mirror) == 0) findings.push_back({path, 0, mirror + " is missing"});
  }
  return findings;
}

}  // namespace sluice::tidy
