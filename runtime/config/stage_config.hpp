// SPDX-License-Identifier: Apache-2.0
// What files that hold pipelines share: stages as YAML, names, and how an error reads.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "runtime/config/yaml_document.hpp"

namespace sluice::runtime {

// One file's way to say what is wrong: kInvalidArgument, "FILE:LINE: what".
class Complaint {
 public:
  explicit Complaint(std::string file_name) : file_name_(std::move(file_name)) {}
  Error operator()(int line, const std::string& what) const;

 private:
  std::string file_name_;
};

// A pipeline's: 1 to 64 letters, digits and "._+-@", the first no dot.
bool is_plain_name(std::string_view name);

// The value of a key "stages". Parameters are checked against their stage's table.
Result<std::vector<kernels::StageSpec>> read_stages(const YamlNode& node,
                                                    const Complaint& complain);

}  // namespace sluice::runtime
