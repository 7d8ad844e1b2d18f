// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/pipeline_config.hpp"

#include <algorithm>
#include <fstream>
#include <system_error>

#include "kernels/stages/registry.hpp"
#include "runtime/config/nearest_name.hpp"
#include "runtime/config/stage_config.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kFileBytesMax = 64 << 10;
constexpr std::size_t kNameBytesMax = 64;
constexpr std::string_view kKeys[] = {"name", "summary", "stages"};

Status read_key(const YamlNode::Entry& entry, kernels::PipelineSpec& spec,
                const Complaint& complain) {
  if (entry.key == "stages") {
    spec.stages = SLUICE_TRY(read_stages(entry.value, complain));
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
