// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/level_table_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <span>
#include <string_view>
#include <system_error>
#include <variant>
#include <vector>

#include "runtime/config/nearest_name.hpp"
#include "runtime/config/stage_config.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {
namespace {

using scheduler::Level;
using scheduler::LevelTable;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;
constexpr std::size_t kLevelsMax = 1024;
constexpr double kNumberMost = 1e15;  // keeps sums and products far from infinity
constexpr std::size_t kQuotedBytesMax = 64;

// A key, and where its value goes. A 64-bit hash is 16 hexadecimal digits.
template <class Record>
struct Key {
  std::string_view name;
  std::variant<double Record::*, std::int64_t Record::*, std::uint64_t Record::*, bool Record::*,
               std::string Record::*>
      field;
  double least = 0.0;
  double most = kNumberMost;
};

constexpr Key<LevelTable> kTableKeys[] = {
    {"model", &LevelTable::model_fingerprint},
    {"profile", &LevelTable::profile_hash},
    {"items", &LevelTable::items},
    {"raw_bytes_per_token", &LevelTable::raw_bytes_per_token},
    {"prefill_s_per_token", &LevelTable::prefill_s_per_token},
    {"decode_s_per_output_token", &LevelTable::decode_s_per_output_token},
};
constexpr std::string_view kLevels = "levels";

constexpr Key<Level> kLevelKeys[] = {
    {"pipeline", &Level::pipeline},
    {"stages", &Level::stages},
    {"bytes_per_token", &Level::bytes_per_token},
    {"bytes_fixed", &Level::bytes_fixed},
    {"encode_s_per_token", &Level::encode_s_per_token},
    {"decode_s_per_token", &Level::decode_s_per_token},
    {"kl", &Level::kl},
    {"kl_high", &Level::kl_high},
    {"nll_growth", &Level::nll_growth, -kNumberMost},
    {"top1", &Level::top1, 0.0, 1.0},
    {"streaming", &Level::is_streaming},
};

// The functions below say what is wrong in words that follow the key.
Error must_be(const std::string& what, std::string_view text) {
  return make_error(ErrorCode::kInvalidArgument,
                    "must be " + what + ", not " + in_quotes(text.substr(0, kQuotedBytesMax)));
}

bool is_all(std::string_view text, std::from_chars_result read) {
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

Status read_value(std::string_view text, double least, double most, double& value) {
  const bool is_number = is_all(text, std::from_chars(text.begin(), text.end(), value));
  if (is_number && std::isfinite(value) && value >= least && value <= most) return {};
  if (most < kNumberMost) return must_be("a share from 0 to 1", text);
  return must_be(least < 0.0 ? "a number up to 1e15" : "a number from 0 to 1e15", text);
}

Status read_value(std::string_view text, double, double, std::int64_t& value) {
  const bool is_number = is_all(text, std::from_chars(text.begin(), text.end(), value));
  if (is_number && value >= 0) return {};
  return must_be("a whole number from 0 up", text);
}

Status read_value(std::string_view text, double, double, std::uint64_t& value) {
  const bool is_number = is_all(text, std::from_chars(text.begin(), text.end(), value, 16));
  if (is_number && text.size() == 16) return {};
  return must_be("16 hexadecimal digits", text);
}

Status read_value(std::string_view text, double, double, bool& value) {
  value = text == "true";
  if (value || text == "false") return {};
  return must_be("true or false", text);
}

Status read_value(std::string_view text, double, double, std::string& value) {
  value = text;
  if (is_plain_name(text)) return {};
  return must_be("a preset's name", text);
}

// One entry of a section.
template <class Record>
Status read_entry(const YamlNode::Entry& entry, std::span<const Key<Record>> keys, Record& record,
                  const Complaint& complain) {
  const auto key = std::find_if(keys.begin(), keys.end(),
                                [&](const Key<Record>& other) { return other.name == entry.key; });
  if (key == keys.end()) {
    std::vector<std::string_view> names;
    for (const Key<Record>& other : keys) names.push_back(other.name);
    return complain(entry.line, "unknown key " + in_quotes(entry.key.substr(0, kQuotedBytesMax)) +
                                    "; " + suggest_name(entry.key, names));
  }
  if (entry.value.kind != YamlKind::kScalar) {
    return complain(entry.value.line, in_quotes(key->name) + " must be a single value, not " +
                                          yaml_kind_name(entry.value.kind));
  }
  const Status read = std::visit(
      [&](auto field) {
        return read_value(entry.value.text, key->least, key->most, record.*field);
      },
      key->field);
  if (read) return {};
  return complain(entry.value.line, in_quotes(key->name) + " " + read.error().message);
}

template <class Record>
Status check_complete(const YamlNode& section, std::span<const Key<Record>> keys,
                      const Complaint& complain) {
  for (const Key<Record>& key : keys) {
    const bool is_there =
        std::any_of(section.entries.begin(), section.entries.end(),
                    [&](const YamlNode::Entry& entry) { return entry.key == key.name; });
    if (!is_there) return complain(section.line, in_quotes(key.name) + " is missing");
  }
  return {};
}

Result<std::vector<Level>> read_levels(const YamlNode& node, const Complaint& complain) {
  if (node.kind != YamlKind::kList) {
    return complain(node.line,
                    std::string("\"levels\" must be a list, not ") + yaml_kind_name(node.kind));
  }
  if (node.items.size() > kLevelsMax) return complain(node.line, "there are more than 1024 levels");
  std::vector<Level> levels;
  std::set<std::string> names;
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlKind::kMap) {
      return complain(item.line, std::string("a level must be a section of keys, not ") +
                                     yaml_kind_name(item.kind));
    }
    Level level;
    for (const YamlNode::Entry& entry : item.entries) {
      SLUICE_TRY(read_entry<Level>(entry, kLevelKeys, level, complain));
    }
    SLUICE_TRY(check_complete<Level>(item, kLevelKeys, complain));
    if (!names.insert(level.pipeline).second) {
      return complain(item.line, "the level " + in_quotes(level.pipeline) + " is there twice");
    }
    levels.push_back(std::move(level));
  }
  std::stable_sort(levels.begin(), levels.end(), [](const Level& a, const Level& b) {
    return a.bytes_per_token > b.bytes_per_token;
  });
  return levels;
}

std::string written(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};  // shortest that comes back
}
std::string written(std::int64_t value) { return std::to_string(value); }
std::string written(std::uint64_t value) {
  char digits[16];
  const std::string text(digits, std::to_chars(digits, digits + sizeof digits, value, 16).ptr);
  return '"' + std::string(16 - text.size(), '0') + text + '"';
}
std::string written(bool value) { return value ? "true" : "false"; }
std::string written(const std::string& value) { return '"' + value + '"'; }

template <class Record>
void write_keys(std::span<const Key<Record>> keys, const Record& record, std::string indent,
                std::string& yaml) {
  for (const Key<Record>& key : keys) {
    yaml += indent + std::string(key.name) + ": ";
    yaml += std::visit([&](auto field) { return written(record.*field); }, key.field) + '\n';
    std::replace(indent.begin(), indent.end(), '-', ' ');  // a list's item has one
  }
}

Error not_written(const std::filesystem::path& path, const std::string& why) {
  return make_error(ErrorCode::kUnavailable, "cannot write " + path.string() + ": " + why);
}

}  // namespace

Result<LevelTable> parse_level_table(const std::string& yaml, const std::string& file_name) {
  const Complaint complain(file_name);
  if (yaml.size() > kFileBytesMax) {
    return complain(1, "the file is larger than 1 MiB, so it is not a table of levels");
  }
  const YamlNode root = SLUICE_TRY(parse_yaml(yaml, file_name));
  if (root.kind != YamlKind::kMap) {
    return complain(std::max(root.line, 1), "a table of levels is a section of keys");
  }
  LevelTable table;
  bool has_levels = false;
  for (const YamlNode::Entry& entry : root.entries) {
    if (entry.key == kLevels) {
      table.levels = SLUICE_TRY(read_levels(entry.value, complain));
      has_levels = true;
      continue;
    }
    SLUICE_TRY(read_entry<LevelTable>(entry, kTableKeys, table, complain));
  }
  SLUICE_TRY(check_complete<LevelTable>(root, kTableKeys, complain));
  if (!has_levels) return complain(root.line, in_quotes(kLevels) + " is missing");
  return table;
}

Result<LevelTable> load_level_table(const std::filesystem::path& path,
                                    std::uint64_t model_fingerprint) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored)) {
    return make_error(ErrorCode::kNotFound, "there is no table of levels " + path.string() +
                                                ": make one with 'sluice profile'");
  }
  std::string yaml(kFileBytesMax + 1, '\0');
  file.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  yaml.resize(static_cast<std::size_t>(file.gcount()));
  auto table = SLUICE_TRY(parse_level_table(yaml, path.string()));
  if (table.model_fingerprint == model_fingerprint) return table;
  return make_error(ErrorCode::kInvalidArgument,
                    path.string() + ": the levels are of another model");
}

std::string format_level_table(const LevelTable& table) {
  std::string yaml =
      "# What the compression levels of a model cost, as measured by `sluice profile`: bytes of\n"
      "# frames, seconds on one thread of the machine that measured, and what answers lose.\n";
  write_keys<LevelTable>(kTableKeys, table, "", yaml);
  yaml += std::string(kLevels) + (table.levels.empty() ? ": []\n" : ":\n");
  for (const Level& level : table.levels) write_keys<Level>(kLevelKeys, level, "  - ", yaml);
  return yaml;
}

Status save_level_table(const std::filesystem::path& path, const LevelTable& table) {
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return not_written(path, error.message());
  std::filesystem::path beside = path;
  beside += ".writing-" + std::to_string(getpid());
  std::ofstream file(beside, std::ios::binary | std::ios::trunc);
  if (!file) return not_written(path, std::strerror(errno));
  file << format_level_table(table);
  file.close();
  std::string why = file ? "" : std::strerror(errno);
  if (file) {
    std::filesystem::rename(beside, path, error);
    if (error) why = error.message();
  }
  if (why.empty()) return {};
  std::filesystem::remove(beside, error);
  return not_written(path, why);
}

}  // namespace sluice::runtime
