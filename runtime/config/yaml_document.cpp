// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/yaml_document.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <exception>

#include "runtime/config/nearest_name.hpp"

namespace sluice::runtime {
namespace {

constexpr int kDepthMax = 16;       // a cluster file needs 3
constexpr int kNodesMax = 100'000;  // ranks written out one by one for the largest cluster fit

class Converter {
 public:
  explicit Converter(const std::string& file_name) : file_name_(file_name) {}

  Error error(int line, const std::string& what) const {
    return make_error(ErrorCode::kInvalidArgument,
                      file_name_ + ":" + std::to_string(line) + ": " + what);
  }

  Result<YamlNode> convert(const YAML::Node& source, int depth) {
    YamlNode node;
    node.line = std::max(source.Mark().line, 0) + 1;
    if (depth > kDepthMax) return error(node.line, "the file is nested too deeply");
    if (++nodes_ > kNodesMax) return error(node.line, "the file has too many values");
    if (source.IsScalar()) {
      node.kind = YamlKind::kScalar;
      node.text = source.Scalar();
    } else if (source.IsSequence()) {
      node.kind = YamlKind::kList;
      for (const YAML::Node& item : source) {
        node.items.push_back(SLUICE_TRY(convert(item, depth + 1)));
      }
    } else if (source.IsMap()) {
      node.kind = YamlKind::kMap;
      SLUICE_TRY(convert_map(source, depth, node));
    }
    return node;
  }

 private:
  Status convert_map(const YAML::Node& source, int depth, YamlNode& node) {
    for (const auto& pair : source) {
      const int line = std::max(pair.first.Mark().line, 0) + 1;
      if (!pair.first.IsScalar()) return error(line, "a key must be a plain word");
      const std::string& key = pair.first.Scalar();
      const auto same =
          std::find_if(node.entries.begin(), node.entries.end(),
                       [&](const YamlNode::Entry& entry) { return entry.key == key; });
      if (same != node.entries.end()) {
        return error(line, "the key " + in_quotes(key) + " is given twice, first on line " +
                               std::to_string(same->line));
      }
      YamlNode value = SLUICE_TRY(convert(pair.second, depth + 1));
      // The library gives an absent value no position of its own.
      if (value.kind == YamlKind::kNull) value.line = line;
      node.entries.push_back({key, line, std::move(value)});
    }
    return {};
  }

  const std::string& file_name_;
  int nodes_ = 0;
};

}  // namespace

const char* yaml_kind_name(YamlKind kind) {
  switch (kind) {
    case YamlKind::kNull:
      return "nothing";
    case YamlKind::kScalar:
      return "a single value";
    case YamlKind::kList:
      return "a list";
    case YamlKind::kMap:
      return "a section";
  }
  return "unknown";
}

Result<YamlNode> parse_yaml(const std::string& yaml, const std::string& file_name) {
  Converter converter(file_name);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(yaml);
    if (documents.empty()) return YamlNode{};
    if (documents.size() > 1) {
      return converter.error(std::max(documents[1].Mark().line, 0) + 1,
                             "a second document starts here, but one file is one configuration");
    }
    return converter.convert(documents[0], 0);
  } catch (const YAML::Exception& exception) {
    return converter.error(std::max(exception.mark.line, 0) + 1,
                           "not valid YAML: " + exception.msg);
  } catch (const std::exception& exception) {
    return converter.error(1, std::string("not readable as YAML: ") + exception.what());
  }
}

}  // namespace sluice::runtime
