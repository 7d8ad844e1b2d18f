// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/source_tree.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fstream>
#include <iterator>

namespace sluice::tidy {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFolders{"kernels", "comm",  "scheduler", "runtime",
                              "launch",  "tests", "bench",     ".ci"};

// Folders of inputs and outputs that programs wrote.
constexpr std::array kDataFolders{"data", "golden", "corpus", "fixtures", "__pycache__"};

bool is_text_of_ours(const std::string& path) {
  return is_cpp(path) || is_script(path) || has_suffix(path, "CMakeLists.txt");
}

}  // namespace

bool has_suffix(std::string_view text, std::string_view suffix) { return text.ends_with(suffix); }

bool is_cpp(std::string_view path) {
  return has_suffix(path, ".cpp") || has_suffix(path, ".hpp") || has_suffix(path, ".h") ||
         has_suffix(path, ".cu");
}

bool is_script(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const bool is_command = name.find('.') == std::string_view::npos;
  return has_suffix(path, ".py") || has_suffix(path, ".sh") ||
         (is_command && (path.starts_with("launch/") || path.starts_with(".ci/")));
}

std::string_view top_folder(std::string_view path) { return path.substr(0, path.find('/')); }

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

SourceTree read_source_tree(const fs::path& root) {
  SourceTree tree;
  const auto add = [&](const fs::path& file) {
    const std::string path = fs::relative(file, root).generic_string();
    if (!is_text_of_ours(path)) return;
    std::ifstream stream(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    tree.emplace(path, split_lines(text));
  };
  add(root / "CMakeLists.txt");
  for (const char* folder : kFolders) {
    if (!fs::exists(root / folder)) continue;
    for (auto entry = fs::recursive_directory_iterator(root / folder); entry != fs::end(entry);
         ++entry) {
      const std::string name = entry->path().filename().string();
      if (entry->is_directory() &&
          std::find(kDataFolders.begin(), kDataFolders.end(), name) != kDataFolders.end()) {
        entry.disable_recursion_pending();
      } else if (entry->is_regular_file()) {
        add(entry->path());
      }
    }
  }
  return tree;
}

std::string code_of(std::string_view line) {
  std::string code;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
        code += c;
      }
      continue;
    }
    if (c == '/' && i + 1 < line.size() && line[i + 1] == '/') break;
    // A ' between digits is a separator, as in 1'000.
    const bool is_separator =
        c == '\'' && i > 0 && std::isalnum(static_cast<unsigned char>(line[i - 1])) != 0;
    if ((c == '"' || c == '\'') && !is_separator) quote = c;
    code += c;
  }
  return code;
}

std::string include_target(std::string_view line, bool& is_quoted) {
  const std::size_t hash = line.find_first_not_of(' ');
  if (hash == std::string_view::npos || line[hash] != '#') return {};
  const std::size_t word = line.find_first_not_of(' ', hash + 1);
  if (word == std::string_view::npos || !line.substr(word).starts_with("include")) return {};
  const std::size_t open = line.find_first_of("<\"", word);
  if (open == std::string_view::npos) return {};
  is_quoted = line[open] == '"';
  const std::size_t close = line.find(is_quoted ? '"' : '>', open + 1);
  if (close == std::string_view::npos) return {};
  return std::string(line.substr(open + 1, close - open - 1));
}

}  // namespace sluice::tidy
