// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/parameters.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <utility>

namespace sluice::kernels {
namespace {

constexpr std::size_t kListNumbersMax = 255;

std::string written(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(value));
  return text;
}

Error invalid(std::string_view stage, const ParameterRow& row, const std::string& what) {
  return make_error(ErrorCode::kInvalidArgument,
                    "stage '" + std::string(stage) + "': '" + row.name + "' " + what);
}

// Word number `index` of a list of words, or the index of a word.
std::optional<std::size_t> word_index(std::string_view words, std::string_view wanted) {
  for (std::size_t index = 0; !words.empty(); ++index) {
    const std::size_t end = std::min(words.find(' '), words.size());
    if (words.substr(0, end) == wanted) return index;
    words.remove_prefix(std::min(end + 1, words.size()));
  }
  return std::nullopt;
}

Status check_number(std::string_view stage, const ParameterRow& row, double value) {
  const std::string range = "from " + written(row.least) + " to " + written(row.most);
  // Compared as the FP32 number that it becomes: 0.1 is less than 0.1F is.
  const bool fits = std::isfinite(value) &&
                    std::fabs(value) <= static_cast<double>(std::numeric_limits<float>::max());
  const float narrow = fits ? static_cast<float>(value) : 0.0F;
  if (!fits || narrow < row.least || narrow > row.most) {
    return invalid(stage, row, "must be " + range);
  }
  const bool is_whole = row.kind == ParameterKind::kInteger || row.kind == ParameterKind::kBool ||
                        row.kind == ParameterKind::kChoice;
  if (is_whole && value != std::floor(value)) {
    return invalid(stage, row, "must be a whole number " + range);
  }
  return {};
}

Result<std::vector<float>> numbers_of(std::string_view stage, const ParameterRow& row,
                                      const ParameterValue& value) {
  std::vector<double> numbers;
  if (row.kind == ParameterKind::kList) {
    if (const auto* one = std::get_if<double>(&value)) {
      numbers = {*one};
    } else if (const auto* list = std::get_if<std::vector<double>>(&value)) {
      numbers = *list;
    } else {
      return invalid(stage, row, "must be a list of numbers");
    }
    if (numbers.size() > kListNumbersMax) return invalid(stage, row, "has more than 255 numbers");
  } else if (row.kind == ParameterKind::kBool) {
    const auto* flag = std::get_if<bool>(&value);
    if (flag == nullptr) return invalid(stage, row, "must be true or false");
    numbers = {*flag ? 1.0 : 0.0};
  } else if (row.kind == ParameterKind::kChoice) {
    const auto* word = std::get_if<std::string>(&value);
    const auto index = word == nullptr ? std::nullopt : word_index(row.choices, *word);
    if (!index) return invalid(stage, row, "must be one of: " + std::string(row.choices));
    numbers = {static_cast<double>(*index)};
  } else {
    const auto* number = std::get_if<double>(&value);
    if (number == nullptr) return invalid(stage, row, "must be a number");
    numbers = {*number};
  }
  std::vector<float> checked;
  for (const double number : numbers) {
    SLUICE_TRY(check_number(stage, row, number));
    checked.push_back(static_cast<float>(number));
  }
  return checked;
}

std::vector<float> default_of(const ParameterRow& row) {
  if (row.kind == ParameterKind::kList) return {};
  return {row.fallback};
}

}  // namespace

Result<Parameters> Parameters::parse(std::string_view stage, std::span<const ParameterRow> rows,
                                     const ParameterMap& values) {
  Parameters parameters;
  parameters.rows_ = rows;
  for (const ParameterRow& row : rows) parameters.values_.push_back(default_of(row));
  for (const auto& [name, value] : values) {
    std::size_t index = 0;
    std::string known;
    while (index < rows.size() && name != rows[index].name) {
      known += (known.empty() ? "" : ", ") + std::string(rows[index].name);
      ++index;
    }
    if (index == rows.size()) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage '" + std::string(stage) + "' has no parameter '" + name + "'" +
                            (known.empty() ? "" : " (it has: " + known + ")"));
    }
    parameters.values_[index] = SLUICE_TRY(numbers_of(stage, rows[index], value));
  }
  return parameters;
}

void Parameters::write(ByteWriter& writer) const {
  std::uint8_t count = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (values_[i] != default_of(rows_[i])) ++count;
  }
  writer.put(count);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (values_[i] == default_of(rows_[i])) continue;
    writer.put(static_cast<std::uint8_t>(i));
    writer.put(static_cast<std::uint8_t>(values_[i].size()));
    for (const float value : values_[i]) writer.put(value);
  }
}

Result<Parameters> Parameters::read(std::string_view stage, std::span<const ParameterRow> rows,
                                    ByteReader& reader) {
  Parameters parameters;
  parameters.rows_ = rows;
  for (const ParameterRow& row : rows) parameters.values_.push_back(default_of(row));
  const auto count = SLUICE_TRY(reader.get<std::uint8_t>());
  for (int i = 0; i < count; ++i) {
    const auto index = SLUICE_TRY(reader.get<std::uint8_t>());
    const auto numbers = SLUICE_TRY(reader.get<std::uint8_t>());
    if (index >= rows.size()) {
      return make_error(ErrorCode::kCorrupt, "a frame names a parameter that stage '" +
                                                 std::string(stage) + "' does not have");
    }
    const ParameterRow& row = rows[index];
    if (row.kind != ParameterKind::kList && numbers != 1) {
      return make_error(ErrorCode::kCorrupt, "a frame gives a parameter of stage '" +
                                                 std::string(stage) + "' the wrong length");
    }
    std::vector<float> values;
    for (int n = 0; n < numbers; ++n) {
      values.push_back(SLUICE_TRY(reader.get<float>()));
      if (const Status ok = check_number(stage, row, static_cast<double>(values.back())); !ok) {
        return make_error(ErrorCode::kCorrupt, "in a frame, " + ok.error().message);
      }
    }
    parameters.values_[index] = std::move(values);
  }
  return parameters;
}

std::size_t Parameters::index_of(std::string_view name) const {
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (name == rows_[i].name) return i;
  }
  SLUICE_CHECK(false, "a stage asked for a parameter that its table does not have");
}

float Parameters::number(std::string_view name) const { return values_[index_of(name)].at(0); }

std::int64_t Parameters::integer(std::string_view name) const {
  return static_cast<std::int64_t>(number(name));
}

bool Parameters::flag(std::string_view name) const { return number(name) != 0.0F; }

std::int64_t Parameters::choice(std::string_view name) const { return integer(name); }

std::span<const float> Parameters::list(std::string_view name) const {
  return values_[index_of(name)];
}

}  // namespace sluice::kernels
