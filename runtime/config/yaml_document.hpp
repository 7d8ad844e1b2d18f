// SPDX-License-Identifier: Apache-2.0
// YAML text as a plain tree with line numbers: the one place that knows the YAML library.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

enum class YamlKind : std::uint8_t { kNull, kScalar, kList, kMap };

// "nothing", "a single value", "a list", "a section": for error messages.
const char* yaml_kind_name(YamlKind kind);

struct YamlNode {
  struct Entry;
  YamlKind kind = YamlKind::kNull;
  int line = 0;                 // from 1
  std::string text;             // kScalar
  std::vector<YamlNode> items;  // kList
  std::vector<Entry> entries;   // kMap, in the file's order; keys are unique
};

struct YamlNode::Entry {
  std::string key;
  int line = 0;  // of the key
  YamlNode value;
};

// One document. kInvalidArgument with "FILE:LINE: ..." for syntax errors, duplicate keys, keys that
// are not plain text, more than one document, and trees that are too deep or too large (aliases
// expand, so a small file may describe a huge one).
Result<YamlNode> parse_yaml(const std::string& yaml, const std::string& file_name);

}  // namespace sluice::runtime
