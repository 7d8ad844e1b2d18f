// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include "tests/tidy/checks.hpp"

namespace sluice::tidy {
namespace {

constexpr std::size_t kLinesMax = 500;
constexpr std::size_t kColumnsMax = 100;

bool is_library(std::string_view path) {
  const std::string_view top = top_folder(path);
  return top == "kernels" || top == "comm" || top == "scheduler" || top == "runtime";
}

// Characters, not bytes: continuation bytes of UTF-8 do not count.
std::size_t columns_of(std::string_view line) {
  return static_cast<std::size_t>(std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

bool is_word_part(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Where `word` stands by itself in `line`, or npos.
std::size_t find_word(std::string_view line, std::string_view word) {
  for (std::size_t at = line.find(word); at != std::string_view::npos;
       at = line.find(word, at + 1)) {
    const bool starts = at == 0 || !is_word_part(line[at - 1]);
    const std::size_t end = at + word.size();
    const bool ends = end == line.size() || !is_word_part(line[end]) || !is_word_part(word.back());
    if (starts && ends) return at;
  }
  return std::string_view::npos;
}

template <std::size_t kCount>
Findings find_calls(const SourceTree& tree, const std::array<std::string_view, kCount>& calls,
                    bool (*is_checked)(std::string_view path), std::string_view what) {
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (!is_cpp(path) || !is_checked(path)) continue;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string code = code_of(lines[i]);
      for (const std::string_view call : calls) {
        if (find_word(code, call) == std::string_view::npos) continue;
        findings.push_back({path, i + 1, std::string(call) + " " + std::string(what)});
      }
    }
  }
  return findings;
}

}  // namespace

Findings check_sizes(const SourceTree& tree) {
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (lines.size() > kLinesMax) {
      findings.push_back({path, 0, std::to_string(lines.size()) + " lines"});
    }
    // Python here is scripts for tests, often with long texts in them.
    const bool has_width = !has_suffix(path, ".py");
    for (std::size_t i = 0; has_width && i < lines.size(); ++i) {
      if (columns_of(lines[i]) > kColumnsMax) {
        findings.push_back({path, i + 1, std::to_string(columns_of(lines[i])) + " columns"});
      }
    }
  }
  return findings;
}

Findings check_license_line(const SourceTree& tree) {
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (!is_cpp(path) && !is_script(path)) continue;
    const std::size_t first = !lines.empty() && lines[0].starts_with("#!") ? 1 : 0;
    if (lines.size() <= first ||
        lines[first].find("SPDX-License-Identifier: Apache-2.0") == std::string::npos) {
      findings.push_back({path, first + 1, "the SPDX line is missing"});
    }
  }
  return findings;
}

Findings check_todos(const SourceTree& tree) {
  // In two parts, or this line would be a finding.
  static const std::array<std::string, 3> kWords{"TO" "DO", "FIX" "ME", "HA" "CK"};
  Findings findings;
  for (const auto& [path, lines] : tree) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (const std::string& word : kWords) {
        const std::size_t at = find_word(lines[i], word);
        if (at == std::string::npos) continue;
        const std::string_view rest = std::string_view(lines[i]).substr(at + word.size());
        const bool has_issue = rest.starts_with("(#") && rest.size() > 2 &&
                               std::isdigit(static_cast<unsigned char>(rest[2])) != 0;
        if (!has_issue) findings.push_back({path, i + 1, word + " without an issue number"});
      }
    }
  }
  return findings;
}

Findings check_library_silence(const SourceTree& tree) {
  static constexpr std::array<std::string_view, 6> kCalls{
      "std::cout", "std::cerr", "std::clog", "printf(", "fprintf(", "puts("};
  return find_calls(tree, kCalls, is_library, "in a library");
}

Findings check_environment(const SourceTree& tree) {
  static constexpr std::array<std::string_view, 3> kCalls{"getenv(", "secure_getenv(", "setenv("};
  return find_calls(tree, kCalls, is_library, "outside launch/");
}

Findings check_sleeps(const SourceTree& tree) {
  static constexpr std::array<std::string_view, 5> kCalls{"sleep_for(", "sleep_until(", "usleep(",
                                                          "nanosleep(", "sleep("};
  return find_calls(
      tree, kCalls, [](std::string_view path) { return top_folder(path) == "tests"; }, "in a test");
}

Findings check_names(const SourceTree& tree) {
  static constexpr std::array<std::string_view, 8> kNames{"util", "utils",   "common", "misc",
                                                          "helper", "helpers", "manager", "stuff"};
  Findings findings;
  for (const auto& [path, lines] : tree) {
    std::string word;
    for (const char c : path + "/") {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
        word += c;
        continue;
      }
      if (std::find(kNames.begin(), kNames.end(), word) != kNames.end()) {
        findings.push_back({path, 0, "'" + word + "' says nothing"});
      }
      word.clear();
    }
  }
  return findings;
}

}  // namespace sluice::tidy
