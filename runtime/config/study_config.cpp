// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/study_config.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <system_error>

#include "runtime/config/nearest_name.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/config/stage_config.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kFileBytesMax = 256 << 10;
constexpr std::size_t kListMax = 256;
constexpr std::string_view kAllPresets = "all";  // as a pipeline: every preset not named otherwise
constexpr std::string_view kAllTasks = "all";    // as a key of `published`

constexpr std::string_view kStudyKeys[] = {"title",  "question",         "tasks",   "pipelines",
                                           "charts", "delta_statistics", "analysis"};
constexpr std::string_view kTaskKeys[] = {"count", "lengths", "depths", "keys"};
constexpr std::string_view kPipelineKeys[] = {"preset", "name",  "summary",  "stages",
                                              "label",  "group", "published"};
constexpr std::string_view kChartNames[] = {"pareto", "bars", "lengths", "heat_map"};

struct Range {
  double least;
  double most;
  bool is_whole;
  const char* words;  // "a whole number from 1 to 8"
};
constexpr Range kCount{1, 1e6, true, "a whole number from 1 to 1,000,000"};
constexpr Range kLength{16, 1e6, true, "a whole number from 16 to 1,000,000"};
constexpr Range kDepth{0, 1, false, "a number from 0 to 1"};
constexpr Range kKeys{1, 64, true, "a whole number from 1 to 64"};
constexpr Range kPercent{0, 1000, false, "a number from 0 to 1,000"};

// Whom an error is about.
struct Reader {
  const Complaint& complain;
  const std::filesystem::path& presets;
};

Result<double> read_number(const YamlNode& node, const std::string& key, const Range& range,
                           const Complaint& complain) {
  double number = 0;
  const char* const end = node.text.data() + node.text.size();
  const auto [rest, status] = std::from_chars(node.text.data(), end, number);
  const bool is_number = node.kind == YamlKind::kScalar && status == std::errc() && rest == end;
  // A NaN is in no range.
  if (!is_number || !(number >= range.least && number <= range.most) ||
      (range.is_whole && number != static_cast<double>(static_cast<std::int64_t>(number)))) {
    return complain(node.line, in_quotes(key) + " must be " + range.words);
  }
  return number;
}

template <class Number>
Result<std::vector<Number>> read_numbers(const YamlNode& node, const std::string& key,
                                         const Range& range, const Complaint& complain) {
  if (node.kind != YamlKind::kList || node.items.empty() || node.items.size() > kListMax) {
    return complain(node.line, in_quotes(key) + " must be a list of 1 to 256 numbers");
  }
  std::vector<Number> numbers;
  for (const YamlNode& item : node.items) {
    const double number = SLUICE_TRY(read_number(item, key, range, complain));
    numbers.push_back(static_cast<Number>(number));
  }
  return numbers;
}

Result<std::string> read_text(const YamlNode& node, const std::string& key,
                              const Complaint& complain) {
  if (node.kind != YamlKind::kScalar || node.text.empty()) {
    return complain(node.line, in_quotes(key) + " must be a text");
  }
  return node.text;
}

Error unknown_key(const YamlNode::Entry& entry, std::span<const std::string_view> known,
                  const Complaint& complain) {
  return complain(entry.line,
                  "unknown key " + in_quotes(entry.key) + "; " + suggest_name(entry.key, known));
}

Status read_task_key(const YamlNode::Entry& entry, StudyTask& task, const Complaint& complain) {
  const YamlNode& value = entry.value;
  if (entry.key == "count") {
    const double count = SLUICE_TRY(read_number(value, entry.key, kCount, complain));
    task.count = static_cast<std::int64_t>(count);
  } else if (entry.key == "lengths") {
    task.lengths = SLUICE_TRY(read_numbers<std::int64_t>(value, entry.key, kLength, complain));
  } else if (entry.key == "depths") {
    task.depths = SLUICE_TRY(read_numbers<double>(value, entry.key, kDepth, complain));
  } else if (entry.key == "keys") {
    task.keys = SLUICE_TRY(read_numbers<std::int64_t>(value, entry.key, kKeys, complain));
  } else {
    return unknown_key(entry, kTaskKeys, complain);
  }
  return {};
}

// "- squad: { count: 50 }".
Result<StudyTask> read_task(const YamlNode& item, const Complaint& complain) {
  if (item.kind != YamlKind::kMap || item.entries.size() != 1 ||
      item.entries.front().value.kind != YamlKind::kMap) {
    return complain(item.line,
                    "a task is its name and what is wanted, such as "
                    "squad: { count: 50 }");
  }
  const YamlNode::Entry& named = item.entries.front();
  StudyTask task;
  task.name = named.key;
  for (const YamlNode::Entry& entry : named.value.entries) {
    SLUICE_TRY(read_task_key(entry, task, complain));
  }
  if (task.count == 0) {
    return complain(named.line, "the task " + in_quotes(task.name) + " has no \"count\"");
  }
  return task;
}

Result<std::map<std::string, double>> read_published(const YamlNode& node, const Study& study,
                                                     const Complaint& complain) {
  if (node.kind != YamlKind::kMap) {
    return complain(node.line, "\"published\" must be a section of percents by task");
  }
  std::vector<std::string_view> known = {kAllTasks};
  for (const StudyTask& task : study.tasks) known.push_back(task.name);
  std::map<std::string, double> published;
  for (const YamlNode::Entry& entry : node.entries) {
    if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
      return complain(entry.line, "the study has no task " + in_quotes(entry.key) + "; " +
                                      suggest_name(entry.key, known));
    }
    published[entry.key] = SLUICE_TRY(read_number(entry.value, entry.key, kPercent, complain));
  }
  return published;
}

Result<kernels::PipelineSpec> preset_at(int line, const std::string& name, const Reader& reader) {
  auto spec = find_preset(name, reader.presets);
  if (!spec) return reader.complain(line, spec.error().message);
  return spec;
}

Status read_pipeline_key(const YamlNode::Entry& entry, StudyPipeline& pipeline, const Study& study,
                         const Reader& reader) {
  const YamlNode& value = entry.value;
  if (entry.key == "stages") {
    pipeline.spec.stages = SLUICE_TRY(read_stages(value, reader.complain));
  } else if (entry.key == "published") {
    pipeline.published = SLUICE_TRY(read_published(value, study, reader.complain));
  } else if (entry.key == "preset") {
    const std::string name = SLUICE_TRY(read_text(value, entry.key, reader.complain));
    pipeline.spec = SLUICE_TRY(preset_at(value.line, name, reader));
  } else if (entry.key == "name") {
    pipeline.spec.name = SLUICE_TRY(read_text(value, entry.key, reader.complain));
    if (!is_plain_name(pipeline.spec.name)) {
      return reader.complain(value.line,
                             "a pipeline's name has at most 64 letters, digits and \"._+-@\"");
    }
  } else if (entry.key == "summary") {
    pipeline.spec.summary = SLUICE_TRY(read_text(value, entry.key, reader.complain));
  } else if (entry.key == "label") {
    pipeline.label = SLUICE_TRY(read_text(value, entry.key, reader.complain));
  } else if (entry.key == "group") {
    pipeline.group = SLUICE_TRY(read_text(value, entry.key, reader.complain));
  } else {
    return unknown_key(entry, kPipelineKeys, reader.complain);
  }
  return {};
}

// "- int4", "- { preset: int4, label: ... }", or "- { name: mine, stages: [...] }".
Result<StudyPipeline> read_pipeline(const YamlNode& item, const Study& study,
                                    const Reader& reader) {
  StudyPipeline pipeline;
  if (item.kind == YamlKind::kScalar) {
    pipeline.spec = SLUICE_TRY(preset_at(item.line, item.text, reader));
    return pipeline;
  }
  if (item.kind != YamlKind::kMap) {
    return reader.complain(item.line,
                           "a pipeline is a preset's name, or a section with \"preset\", or with "
                           "\"name\" and \"stages\"");
  }
  bool is_preset = false;
  bool has_stages = false;
  bool has_name = false;
  for (const YamlNode::Entry& entry : item.entries) {
    is_preset |= entry.key == "preset";
    has_stages |= entry.key == "stages";
    has_name |= entry.key == "name" || entry.key == "summary";
  }
  if (is_preset == has_stages || (is_preset && has_name)) {
    return reader.complain(item.line,
                           "a pipeline has either \"preset\", or \"name\" and \"stages\"");
  }
  for (const YamlNode::Entry& entry : item.entries) {
    SLUICE_TRY(read_pipeline_key(entry, pipeline, study, reader));
  }
  if (pipeline.spec.name.empty()) return reader.complain(item.line, "the pipeline has no \"name\"");
  std::error_code ignored;
  if (!is_preset &&
      std::filesystem::exists(reader.presets / (pipeline.spec.name + ".yaml"), ignored)) {
    return reader.complain(item.line, in_quotes(pipeline.spec.name) +
                                          " is a preset's name: take the preset, or another name");
  }
  return pipeline;
}

Status read_pipelines(const YamlNode& node, Study& study, const Reader& reader) {
  if (node.kind != YamlKind::kList || node.items.empty() || node.items.size() > kListMax) {
    return reader.complain(node.line, "\"pipelines\" must be a list of 1 to 256 pipelines");
  }
  std::set<std::string> names;
  bool has_all = false;
  for (const YamlNode& item : node.items) {
    if (item.kind == YamlKind::kScalar && item.text == kAllPresets) {
      has_all = true;
      continue;
    }
    StudyPipeline pipeline = SLUICE_TRY(read_pipeline(item, study, reader));
    if (!names.insert(pipeline.spec.name).second) {
      return reader.complain(item.line,
                             "the pipeline " + in_quotes(pipeline.spec.name) + " is there twice");
    }
    study.pipelines.push_back(std::move(pipeline));
  }
  if (!has_all) return {};
  for (const std::string& name : preset_names(reader.presets)) {
    if (names.contains(name)) continue;
    study.pipelines.emplace_back().spec = SLUICE_TRY(preset_at(node.line, name, reader));
  }
  return {};
}

Status read_charts(const YamlNode& node, Study& study, const Complaint& complain) {
  if (node.kind != YamlKind::kList) {
    return complain(node.line, "\"charts\" must be a list of charts' names");
  }
  for (const YamlNode& item : node.items) {
    const auto found = std::find(std::begin(kChartNames), std::end(kChartNames), item.text);
    if (item.kind != YamlKind::kScalar || found == std::end(kChartNames)) {
      return complain(item.line, "there is no chart " + in_quotes(item.text) + "; " +
                                     suggest_name(item.text, kChartNames));
    }
    const auto chart = static_cast<StudyChart>(found - std::begin(kChartNames));
    if (std::find(study.charts.begin(), study.charts.end(), chart) != study.charts.end()) {
      return complain(item.line, "the chart " + in_quotes(item.text) + " is there twice");
    }
    study.charts.push_back(chart);
  }
  return {};
}

Status read_tasks(const YamlNode& node, Study& study, const Complaint& complain) {
  if (node.kind != YamlKind::kList || node.items.empty() || node.items.size() > kListMax) {
    return complain(node.line, "\"tasks\" must be a list of 1 to 256 tasks");
  }
  for (const YamlNode& item : node.items) {
    study.tasks.push_back(SLUICE_TRY(read_task(item, complain)));
  }
  return {};
}

// Tasks first: published figures name them, wherever they stand in the file.
Status read_study(const YamlNode& root, Study& study, const Reader& reader) {
  const YamlNode* pipelines = nullptr;
  for (const YamlNode::Entry& entry : root.entries) {
    if (entry.key == "tasks") {
      SLUICE_TRY(read_tasks(entry.value, study, reader.complain));
    } else if (entry.key == "pipelines") {
      pipelines = &entry.value;
    } else if (entry.key == "charts") {
      SLUICE_TRY(read_charts(entry.value, study, reader.complain));
    } else if (entry.key == "delta_statistics") {
      if (entry.value.text != "true" && entry.value.text != "false") {
        return reader.complain(entry.value.line, "\"delta_statistics\" must be true or false");
      }
      study.delta_statistics = entry.value.text == "true";
    } else if (entry.key == "title") {
      study.title = SLUICE_TRY(read_text(entry.value, entry.key, reader.complain));
    } else if (entry.key == "question") {
      study.question = SLUICE_TRY(read_text(entry.value, entry.key, reader.complain));
    } else if (entry.key == "analysis") {
      study.analysis = SLUICE_TRY(read_text(entry.value, entry.key, reader.complain));
    } else {
      return unknown_key(entry, kStudyKeys, reader.complain);
    }
  }
  if (study.title.empty()) return reader.complain(1, "\"title\" is missing");
  if (study.question.empty()) return reader.complain(1, "\"question\" is missing");
  if (study.tasks.empty()) return reader.complain(1, "\"tasks\" is missing");
  if (pipelines == nullptr) return reader.complain(1, "\"pipelines\" is missing");
  return read_pipelines(*pipelines, study, reader);
}

}  // namespace

Result<Study> parse_study(const std::string& yaml, const std::string& file_name,
                          const std::filesystem::path& presets) {
  const Complaint complain(file_name);
  if (yaml.size() > kFileBytesMax) {
    return complain(1, "the file is larger than 256 KiB, so it is not a study");
  }
  const YamlNode root = SLUICE_TRY(parse_yaml(yaml, file_name));
  if (root.kind != YamlKind::kMap) {
    return complain(std::max(root.line, 1),
                    "a study is a file with the keys \"title\", \"question\", \"tasks\" and "
                    "\"pipelines\"");
  }
  Study study;
  study.name = std::filesystem::path(file_name).stem().string();
  SLUICE_TRY(read_study(root, study, {.complain = complain, .presets = presets}));
  return study;
}

Result<Study> load_study(const std::filesystem::path& path, const std::filesystem::path& presets) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored)) {
    return make_error(ErrorCode::kNotFound, "there is no study " + path.string());
  }
  std::string yaml(kFileBytesMax + 1, '\0');
  file.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  if (!file.eof() && !file) {
    return make_error(ErrorCode::kNotFound, "cannot read the study " + path.string());
  }
  yaml.resize(static_cast<std::size_t>(file.gcount()));
  return parse_study(yaml, path.string(), presets);
}

Result<std::vector<Study>> load_studies(const std::filesystem::path& folder,
                                        const std::filesystem::path& presets) {
  std::vector<Study> studies;
  // Results know pipelines by their names: one name, one pipeline.
  std::map<std::string, std::uint64_t> hashes;
  for (const std::string& name : preset_names(folder)) {
    const auto path = folder / (name + ".yaml");
    Study study = SLUICE_TRY(load_study(path, presets));
    for (const StudyPipeline& pipeline : study.pipelines) {
      const std::uint64_t hash = pipeline_hash(pipeline.spec);
      if (hashes.emplace(pipeline.spec.name, hash).first->second == hash) continue;
      return make_error(ErrorCode::kInvalidArgument,
                        path.string() + ": the pipeline " + in_quotes(pipeline.spec.name) +
                            " has other stages in another study: give it another name");
    }
    studies.push_back(std::move(study));
  }
  if (studies.empty()) {
    return make_error(ErrorCode::kNotFound,
                      "there are no studies in the folder " + folder.string());
  }
  return studies;
}

}  // namespace sluice::runtime
