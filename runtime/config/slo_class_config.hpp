// SPDX-License-Identifier: Apache-2.0
// The classes of requests of a cluster file (scheduler.classes), as a list or by name:
//
//   classes:
//     - { name: interactive, ttft: 2s }
//     - { name: batch, ttft: 1min, quality_floor: 0.02, ageing: 0.5, may_reject: false }
//
//   classes: { interactive: 2s, batch: { ttft: 1min, may_reject: false } }
#pragma once

#include <vector>

#include "runtime/config/config.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {

// In the file's order, at least one, names once each. What is wrong is said in words that follow
// the key; `line` is then where it is.
Result<std::vector<SloClassConfig>> read_slo_classes(const YamlNode& value, int& line);

}  // namespace sluice::runtime
