// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/data_file.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "runtime/evaluation/tasks/seeded_random.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

namespace fs = std::filesystem;

std::string text_of(const NamePattern& pattern) {
  return std::string(pattern.prefix) + "*" + pattern.suffix;
}

bool has_name(const std::string& name, const NamePattern& pattern) {
  const std::string_view prefix = pattern.prefix;
  const std::string_view suffix = pattern.suffix;
  return name.size() >= prefix.size() + suffix.size() && name.starts_with(prefix) &&
         name.ends_with(suffix);
}

// In order of name; none if the folder has none.
Result<std::vector<fs::path>> find_files(const fs::path& folder,
                                         const std::vector<NamePattern>& patterns) {
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  if (error) {
    return make_error(ErrorCode::kNotFound,
                      folder.string() + ": this folder of data cannot be read: " + error.message());
  }
  std::vector<fs::path> files;
  while (entry != fs::directory_iterator()) {
    const std::string name = entry->path().filename().string();
    const bool is_wanted = std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) {
      return has_name(name, pattern);
    });
    if (is_wanted) files.push_back(entry->path());
    entry.increment(error);
    if (error) break;
  }
  if (error) {
    return make_error(ErrorCode::kInvalidArgument,
                      folder.string() + ": cannot be read to its end: " + error.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Error no_file(const fs::path& folder, const std::vector<NamePattern>& patterns) {
  std::string wanted;
  for (const auto& pattern : patterns) {
    if (!wanted.empty()) wanted += " or ";
    wanted += text_of(pattern);
  }
  return make_error(ErrorCode::kNotFound, folder.string() + ": has no file " + wanted);
}

}  // namespace

Result<std::vector<fs::path>> data_files(const fs::path& folder, const NamePattern& pattern) {
  std::error_code error;
  if (!fs::exists(folder, error)) return no_file(folder, {pattern});
  auto files = SLUICE_TRY(find_files(folder, {pattern}));
  if (files.empty()) return no_file(folder, {pattern});
  return files;
}

Result<DataFile> DataFile::open(const fs::path& path) {
  auto file = SLUICE_TRY(MappedFile::open(path));
  if (file.bytes().size() > kDataFileBytesMax) {
    return make_error(ErrorCode::kInvalidArgument, path.string() + ": is greater than the " +
                                                       std::to_string(kDataFileBytesMax >> 20) +
                                                       " MiB of a data set's file");
  }
  return DataFile(path.string(), std::move(file));
}

Result<DataFile> DataFile::open_only(const fs::path& folder,
                                     const std::vector<NamePattern>& patterns) {
  const auto files = SLUICE_TRY(find_files(folder, patterns));
  if (files.empty()) return no_file(folder, patterns);
  if (files.size() > 1) {
    return make_error(ErrorCode::kInvalidArgument,
                      folder.string() + ": holds both " + files[0].filename().string() + " and " +
                          files[1].filename().string() + ", of which only one may be there");
  }
  return open(files[0]);
}

std::string_view DataFile::text() const {
  const Bytes bytes = file_.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Status check_data_text(std::string_view text, const std::string& where) {
  if (text.empty()) return make_error(ErrorCode::kInvalidArgument, where + " is empty");
  if (text.size() > kDataTextBytesMax) {
    return make_error(ErrorCode::kInvalidArgument, where + " is longer than a megabyte");
  }
  if (utf8_valid_run_bytes(text, 0) != text.size()) {
    return make_error(ErrorCode::kInvalidArgument, where + " is not UTF-8");
  }
  return {};
}

Status check_item_id(std::string_view id, const std::string& where) {
  const bool is_plain =
      std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!is_plain || id.empty() || id.size() > 64) {
    return make_error(ErrorCode::kInvalidArgument,
                      where + " is not 1 to 64 printable ASCII characters without spaces");
  }
  return {};
}

std::vector<EvaluationItem> first_items(std::vector<EvaluationItem> items,
                                        const ItemRequest& request, std::string_view stream) {
  SeededRandom(request.seed, stream).shuffle(items);
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, request.count));
  if (items.size() > wanted) items.resize(wanted);
  return items;
}

}  // namespace sluice::runtime
