// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/pipeline_config.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <system_error>

#include "kernels/stages/registry.hpp"
#include "runtime/config/nearest_name.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kFileBytesMax = 64 << 10;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kStagesMax = 16;  // a published system has five at most
constexpr std::string_view kKeys[] = {"name", "summary", "stages"};

// One file's way to say what is wrong.
class Complaint {
 public:
  explicit Complaint(const std::string& file_name) : file_name_(file_name) {}
  Error operator()(int line, const std::string& what) const {
    return make_error(ErrorCode::kInvalidArgument,
                      file_name_ + ":" + std::to_string(line) + ": " + what);
  }

 private:
  const std::string& file_name_;
};

bool is_plain_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '+' || c == '-' || c == '@';
  };
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), is_plain);
}

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

Status read_key(const YamlNode::Entry& entry, kernels::PipelineSpec& spec,
                const Complaint& complain) {
  if (entry.key == "stages") {
    // A pipeline without stages sends BF16 as it is.
    if (entry.value.kind == YamlKind::kNull) return {};
    if (entry.value.kind != YamlKind::kList) {
      return complain(entry.value.line, std::string("\"stages\" must be a list, not ") +
                                            yaml_kind_name(entry.value.kind));
    }
    if (entry.value.items.size() > kStagesMax) {
      return complain(entry.value.line, "a pipeline has at most 16 stages");
    }
    for (const YamlNode& item : entry.value.items) {
      spec.stages.push_back(SLUICE_TRY(read_stage(item, complain)));
    }
    return {};
  }
  if (entry.key != "name" && entry.key != "summary") {
    return complain(entry.line,
                    "unknown key " + in_quotes(entry.key) + "; " + suggest_name(entry.key, kKeys));
  }
  if (entry.value.kind != YamlKind::kScalar || entry.value.text.empty()) {
    return complain(entry.value.line, in_quotes(entry.key) + " must be a text");
  }
  (entry.key == "name" ? spec.name : spec.summary) = entry.value.text;
  if (entry.key == "name" && !is_plain_name(spec.name)) {
    return complain(entry.value.line,
                    "a pipeline's name has at most 64 letters, digits and \"._+-\"");
  }
  return {};
}

}  // namespace

Result<kernels::PipelineSpec> parse_pipeline(const std::string& yaml,
                                             const std::string& file_name) {
  const Complaint complain(file_name);
  if (yaml.size() > kFileBytesMax) {
    return complain(1, "the file is larger than 64 KiB, so it is not a pipeline");
  }
  const YamlNode root = SLUICE_TRY(parse_yaml(yaml, file_name));
  if (root.kind != YamlKind::kMap) {
    return complain(std::max(root.line, 1),
                    "a pipeline is a file with the keys \"name\" and \"stages\"");
  }
  kernels::PipelineSpec spec;
  for (const YamlNode::Entry& entry : root.entries) SLUICE_TRY(read_key(entry, spec, complain));
  if (spec.name.empty()) return complain(1, "\"name\" is missing");
  return spec;
}

Result<kernels::PipelineSpec> load_pipeline(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored)) {
    return make_error(ErrorCode::kNotFound, "there is no pipeline file " + name);
  }
  std::string yaml(kFileBytesMax + 1, '\0');
  file.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  if (!file.eof() && !file) {
    return make_error(ErrorCode::kNotFound, "cannot read the pipeline file " + name);
  }
  yaml.resize(static_cast<std::size_t>(file.gcount()));
  return parse_pipeline(yaml, name);
}

std::vector<std::string> preset_names(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<kernels::PipelineSpec> find_preset(std::string_view name,
                                          const std::filesystem::path& folder) {
  const auto path = folder / (std::string(name) + ".yaml");
  std::error_code ignored;
  if (!is_plain_name(name) || !std::filesystem::exists(path, ignored)) {
    const auto presets = preset_names(folder);
    if (presets.empty()) {
      return make_error(ErrorCode::kNotFound,
                        "there are no pipelines in the folder " + folder.string());
    }
    const std::vector<std::string_view> names(presets.begin(), presets.end());
    return make_error(ErrorCode::kNotFound, "there is no pipeline " +
                                                in_quotes(name.substr(0, kNameBytesMax)) + "; " +
                                                suggest_name(name.substr(0, kNameBytesMax), names));
  }
  auto spec = SLUICE_TRY(load_pipeline(path));
  if (spec.name == name) return spec;
  return make_error(ErrorCode::kInvalidArgument, path.string() + ": the pipeline's name is " +
                                                     in_quotes(spec.name) +
                                                     ", and a preset is named as its file");
}

Result<kernels::PipelineSpec> find_pipeline(const std::string& name_or_path,
                                            const std::filesystem::path& folder) {
  if (name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".yaml")) {
    return load_pipeline(name_or_path);
  }
  return find_preset(name_or_path, folder);
}

// FNV-1a (Fowler, Noll, Vo; 64 bits), as config_hash.
std::uint64_t pipeline_hash(const kernels::PipelineSpec& spec) {
  ByteWriter agreed;
  for (const kernels::StageSpec& stage : spec.stages) {
    agreed.put_string(stage.name);
    const kernels::StageRow* row = kernels::find_stage(stage.name);
    if (row == nullptr) continue;
    agreed.put(row->version);
    const auto parameters =
        kernels::Parameters::parse(row->name, row->parameters, stage.parameters);
    if (parameters) parameters->write(agreed);
  }
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::byte byte : agreed.bytes()) {
    hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3U;
  }
  return hash;
}

}  // namespace sluice::runtime
