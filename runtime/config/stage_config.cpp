// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/stage_config.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "kernels/stages/registry.hpp"
#include "runtime/config/nearest_name.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kStagesMax = 16;  // a published system has five at most

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, number);
  if (text.empty() || status != std::errc() || rest != end) return std::nullopt;
  return number;
}

Result<kernels::ParameterValue> read_value(const std::string& name, const YamlNode& node,
                                           const Complaint& complain) {
  if (node.kind == YamlKind::kList) {
    std::vector<double> numbers;
    for (const YamlNode& item : node.items) {
      const auto number = item.kind == YamlKind::kScalar ? number_of(item.text) : std::nullopt;
      if (!number) return complain(item.line, in_quotes(name) + " must be a list of numbers");
      numbers.push_back(*number);
    }
    return kernels::ParameterValue(std::move(numbers));
  }
  if (node.kind != YamlKind::kScalar) {
    return complain(node.line, in_quotes(name) +
                                   " must be a number, a word or a list of numbers, not " +
                                   yaml_kind_name(node.kind));
  }
  if (node.text == "true" || node.text == "false") {
    return kernels::ParameterValue(node.text == "true");
  }
  if (const auto number = number_of(node.text)) return kernels::ParameterValue(*number);
  return kernels::ParameterValue(node.text);
}

Status check_parameters(const kernels::StageRow& row, const YamlNode& node,
                        kernels::ParameterMap& parameters, const Complaint& complain) {
  std::vector<std::string_view> known;
  for (const kernels::ParameterRow& parameter : row.parameters) known.push_back(parameter.name);
  for (const YamlNode::Entry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      return complain(entry.line,
                      "the stage " + in_quotes(row.name) + " has no parameter " +
                          in_quotes(entry.key) + "; " +
                          (known.empty() ? "it has none" : suggest_name(entry.key, known)));
    }
    const auto value = SLUICE_TRY(read_value(entry.key, entry.value, complain));
    // One at a time, so that a complaint points at its line.
    const auto checked = kernels::Parameters::parse(row.name, row.parameters, {{entry.key, value}});
    if (!checked) return complain(entry.value.line, checked.error().message);
    parameters.emplace(entry.key, value);
  }
  return {};
}

// "- pack", "- rtn: { bits: 4 }", or "- rtn:" with nothing.
Result<kernels::StageSpec> read_stage(const YamlNode& item, const Complaint& complain) {
  const bool is_word = item.kind == YamlKind::kScalar;
  if (!is_word && (item.kind != YamlKind::kMap || item.entries.size() != 1)) {
    return complain(item.line,
                    "a stage is its name, or its name and parameters such as rtn: { bits: 4 }");
  }
  kernels::StageSpec stage;
  stage.name = is_word ? item.text : item.entries.front().key;
  const kernels::StageRow* row = kernels::find_stage(stage.name);
  if (row == nullptr) {
    std::vector<std::string_view> known;
    for (const kernels::StageRow& other : kernels::stage_table()) known.push_back(other.name);
    return complain(item.line, "there is no stage " + in_quotes(stage.name) + "; " +
                                   suggest_name(stage.name, known));
  }
  if (is_word) return stage;
  const YamlNode& parameters = item.entries.front().value;
  if (parameters.kind == YamlKind::kNull) return stage;
  if (parameters.kind != YamlKind::kMap) {
    return complain(parameters.line, "the parameters of " + in_quotes(stage.name) +
                                         " must be a section of keys, not " +
                                         yaml_kind_name(parameters.kind));
  }
  SLUICE_TRY(check_parameters(*row, parameters, stage.parameters, complain));
  return stage;
}

}  // namespace

Error Complaint::operator()(int line, const std::string& what) const {
  return make_error(ErrorCode::kInvalidArgument,
                    file_name_ + ":" + std::to_string(line) + ": " + what);
}

bool is_plain_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '+' || c == '-' || c == '@';
  };
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_plain);
}

Result<std::vector<kernels::StageSpec>> read_stages(const YamlNode& node,
                                                    const Complaint& complain) {
  std::vector<kernels::StageSpec> stages;
  // A pipeline without stages sends BF16 as it is.
  if (node.kind == YamlKind::kNull) return stages;
  if (node.kind != YamlKind::kList) {
    return complain(node.line,
                    std::string("\"stages\" must be a list, not ") + yaml_kind_name(node.kind));
  }
  if (node.items.size() > kStagesMax) {
    return complain(node.line, "a pipeline has at most 16 stages");
  }
  for (const YamlNode& item : node.items) {
    stages.push_back(SLUICE_TRY(read_stage(item, complain)));
  }
  return stages;
}

}  // namespace sluice::runtime
