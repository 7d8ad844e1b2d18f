// SPDX-License-Identifier: Apache-2.0
// The files of a folder of data sets, found by their names, and items out of them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "runtime/evaluation/tasks.hpp"
#include "runtime/model/mapped_file.hpp"

namespace sluice::runtime {

// The greatest official file, HotpotQA's, has 46 MB.
inline constexpr std::size_t kDataFileBytesMax = std::size_t{64} << 20;
// Of one question, answer or passage.
inline constexpr std::size_t kDataTextBytesMax = std::size_t{1} << 20;

struct NamePattern {
  const char* prefix;
  const char* suffix;
};

// Files of `folder` of such a name, by name. kNotFound names the pattern when there is none.
Result<std::vector<std::filesystem::path>> data_files(const std::filesystem::path& folder,
                                                      const NamePattern& pattern);

// A file's text, mapped.
class DataFile {
 public:
  static Result<DataFile> open(const std::filesystem::path& path);
  // The one file of `folder` that has a name of any pattern.
  static Result<DataFile> open_only(const std::filesystem::path& folder,
                                    const std::vector<NamePattern>& patterns);

  std::string_view text() const;
  const std::string& name() const { return name_; }  // its path

 private:
  DataFile(std::string name, MappedFile file) : name_(std::move(name)), file_(std::move(file)) {}
  std::string name_;
  MappedFile file_;
};

// Neither empty nor too long; whether it is UTF-8. `where` opens the message.
Status check_data_text(std::string_view text, const std::string& where);
// A name that is safe in file names and reports: 1 to 64 bytes of printable ASCII without spaces.
Status check_item_id(std::string_view id, const std::string& where);

// The first `count` of the items in an order that depends on the seed alone.
std::vector<EvaluationItem> first_items(std::vector<EvaluationItem> items,
                                        const ItemRequest& request, std::string_view stream);

// Asked of every item whose answer is a text.
inline constexpr const char* kBriefly = "Answer in a few words. ";

}  // namespace sluice::runtime
