// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/slo_class_config.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/config/duration.hpp"
#include "runtime/config/nearest_name.hpp"
#include "runtime/config/stage_config.hpp"
#include "runtime/config/yaml_scalar.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kClassesMax = 64;
// A KL divergence of 100 nats per token says that nothing is left of the answer.
constexpr double kQualityFloorMax = 100;
// At 100, a second's wait moves a request before one with 100 seconds less to its deadline.
constexpr double kAgeingMax = 100;

constexpr std::string_view kKeys[] = {"name", "ttft", "quality_floor", "ageing", "may_reject"};

Status read_ttft(const YamlNode& value, SloClassConfig& slo_class) {
  const std::string written = SLUICE_TRY(scalar_text(value));
  const Result<double> ttft_s = parse_duration_s(written);
  if (!ttft_s) return wrong_value("is wrong: " + ttft_s.error().message);
  slo_class.ttft_s = *ttft_s;
  return {};
}

Status read_name(const YamlNode& value, SloClassConfig& slo_class) {
  slo_class.name = SLUICE_TRY(scalar_text(value));
  if (is_plain_name(slo_class.name)) return {};
  return wrong_value("must be 1 to 64 letters, digits and \"._+-@\", not " +
                     in_quotes(slo_class.name.substr(0, 64)));
}

Status read_value(std::string_view key, const YamlNode& value, SloClassConfig& slo_class) {
  if (key == "name") return read_name(value, slo_class);
  if (key == "ttft") return read_ttft(value, slo_class);
  if (key == "quality_floor") {
    slo_class.quality_floor = SLUICE_TRY(scalar_number(value, 0, kQualityFloorMax));
  } else if (key == "ageing") {
    slo_class.ageing = SLUICE_TRY(scalar_number(value, 0, kAgeingMax));
  } else {
    slo_class.may_reject = SLUICE_TRY(scalar_flag(value));
  }
  return {};
}

Status read_keys(const YamlNode& section, SloClassConfig& slo_class, int& line) {
  for (const YamlNode::Entry& entry : section.entries) {
    line = entry.line;
    if (std::find(std::begin(kKeys), std::end(kKeys), entry.key) == std::end(kKeys)) {
      return wrong_value("has the unknown key " + in_quotes(entry.key) + "; " +
                         suggest_name(entry.key, kKeys));
    }
    const Status read = read_value(entry.key, entry.value, slo_class);
    if (!read)
      return wrong_value("has a " + in_quotes(entry.key) + " that " + read.error().message);
  }
  return {};
}

Status add(SloClassConfig slo_class, std::vector<SloClassConfig>& classes) {
  if (classes.size() == kClassesMax) {
    return wrong_value("has more than " + std::to_string(kClassesMax) + " classes");
  }
  for (const SloClassConfig& other : classes) {
    if (other.name == slo_class.name) {
      return wrong_value("has two classes named " + in_quotes(slo_class.name));
    }
  }
  classes.push_back(std::move(slo_class));
  return {};
}

Result<SloClassConfig> read_listed(const YamlNode& item, int& line) {
  line = item.line;
  if (item.kind != YamlKind::kMap) {
    return wrong_value(std::string("must have sections such as { name: interactive, ttft: 2s }, "
                                   "but has ") +
                       yaml_kind_name(item.kind));
  }
  SloClassConfig slo_class;
  slo_class.name.clear();
  SLUICE_TRY(read_keys(item, slo_class, line));
  line = item.line;
  if (slo_class.name.empty()) return wrong_value("has a class without \"name\"");
  return slo_class;
}

// "interactive: 2s", "interactive: { ttft: 2s }", or "interactive:" with all as by default.
Result<SloClassConfig> read_named(const YamlNode::Entry& entry, int& line) {
  line = entry.line;
  SloClassConfig slo_class;
  const YamlNode name{YamlKind::kScalar, entry.line, entry.key, {}, {}};
  if (const Status read = read_name(name, slo_class); !read) {
    return wrong_value("has a name of a class that " + read.error().message);
  }
  if (entry.value.kind == YamlKind::kNull) return slo_class;
  if (entry.value.kind != YamlKind::kMap) {
    line = entry.value.line;
    if (const Status read = read_ttft(entry.value, slo_class); !read) {
      return wrong_value("has a class " + in_quotes(entry.key) + " that " + read.error().message);
    }
    return slo_class;
  }
  SLUICE_TRY(read_keys(entry.value, slo_class, line));
  if (slo_class.name == entry.key) return slo_class;
  return wrong_value("names the class " + in_quotes(entry.key) + " also " +
                     in_quotes(slo_class.name));
}

}  // namespace

Result<std::vector<SloClassConfig>> read_slo_classes(const YamlNode& value, int& line) {
  std::vector<SloClassConfig> classes;
  for (const YamlNode& item : value.items) {
    auto slo_class = SLUICE_TRY(read_listed(item, line));
    SLUICE_TRY(add(std::move(slo_class), classes));
  }
  for (const YamlNode::Entry& entry : value.entries) {
    auto slo_class = SLUICE_TRY(read_named(entry, line));
    SLUICE_TRY(add(std::move(slo_class), classes));
  }
  if (!classes.empty()) return classes;
  return wrong_value(
      "must be classes such as { interactive: { ttft: 2s }, batch: { ttft: 1min } }" +
      (value.kind == YamlKind::kScalar ? ", not " + in_quotes(value.text) : std::string()));
}

}  // namespace sluice::runtime
