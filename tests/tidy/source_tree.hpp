// SPDX-License-Identifier: Apache-2.0
// The repository as the tidy checks see it: paths and lines, so that a test can make one up.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tidy {

// Path from the root, with '/', to lines without their ends.
using SourceTree = std::map<std::string, std::vector<std::string>>;

// Every text file of ours under `root`: code, build files and scripts. Not build/ and hidden
// folders, and not the data of tests.
SourceTree read_source_tree(const std::filesystem::path& root);

std::vector<std::string> split_lines(std::string_view text);

// "kernels" of "kernels/core/bytes.hpp"; the name itself for a file in the root.
std::string_view top_folder(std::string_view path);

bool has_suffix(std::string_view text, std::string_view suffix);
bool is_cpp(std::string_view path);     // .cpp .hpp .h .cu
bool is_script(std::string_view path);  // .py, .sh, and the commands in launch/ and .ci/

// The line without a // comment, and without what is inside quotes, except that of an #include.
std::string code_of(std::string_view line);

// The target of an #include line, "" for any other line. `is_quoted` says "x" rather than <x>.
std::string include_target(std::string_view line, bool& is_quoted);

}  // namespace sluice::tidy
