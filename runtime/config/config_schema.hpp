// SPDX-License-Identifier: Apache-2.0
// Every key of a cluster file, in one table: its name, and how its value is read and checked.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/config/config.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {

struct KeyRow {
  std::string_view name;
  // Sets the field, or says what is wrong in words that follow the key ("must be a number").
  // `line` is where the complaint points: the value's line, unless the reader knows a better one.
  std::function<Status(const YamlNode& value, ClusterConfig& config, int& line)> read;
};

struct SectionRow {
  std::string_view name;
  std::vector<KeyRow> keys;
  std::string_view short_for = {};  // "pipeline: int4" gives this key; empty: keys only
};

std::span<const SectionRow> config_schema();

}  // namespace sluice::runtime
