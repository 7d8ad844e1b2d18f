// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/csv_rows.hpp"

#include <algorithm>
#include <utility>

namespace sluice::runtime {
namespace {

class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  bool is_at_end() const { return rest_.empty(); }

  // Past line breaks, so that the next field begins a record.
  void skip_empty_lines() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of("\r\n"), rest_.size()));
  }

  // False when a quoted field does not end, or goes on behind its quote.
  bool read_field(std::string& field) {
    if (rest_.starts_with('"')) return read_quoted(field);
    const std::size_t bytes = std::min(rest_.find_first_of(",\r\n"), rest_.size());
    field = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return field.find('"') == std::string::npos;
  }

  // Whether the record goes on with another field.
  bool take_comma() {
    if (!rest_.starts_with(',')) return false;
    rest_.remove_prefix(1);
    return true;
  }

 private:
  bool read_quoted(std::string& field) {
    rest_.remove_prefix(1);
    for (;;) {
      const std::size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) return false;
      field += rest_.substr(0, quote);
      rest_.remove_prefix(quote + 1);
      if (!rest_.starts_with('"')) break;
      field += '"';
      rest_.remove_prefix(1);
    }
    return rest_.empty() || rest_[0] == ',' || rest_[0] == '\r' || rest_[0] == '\n';
  }

  std::string_view rest_;
};

}  // namespace

Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text, std::size_t fields,
                                                        const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  CsvReader reader(text);
  for (reader.skip_empty_lines(); !reader.is_at_end(); reader.skip_empty_lines()) {
    const std::string where = name + ": record " + std::to_string(rows.size() + 1);
    std::vector<std::string> row;
    do {
      std::string field;
      if (!reader.read_field(field)) {
        return make_error(ErrorCode::kInvalidArgument, where + " has a quote in the wrong place");
      }
      row.push_back(std::move(field));
    } while (row.size() <= fields && reader.take_comma());
    if (row.size() != fields) {
      return make_error(ErrorCode::kInvalidArgument,
                        where + " does not have " + std::to_string(fields) + " fields");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sluice::runtime
