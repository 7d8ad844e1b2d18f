// SPDX-License-Identifier: Apache-2.0
// A pipeline's YAML file as what kernels/pipeline builds from.
//
//   name: int4
//   summary: 4 bits to the nearest, groups of 32 channels
//   stages:
//     - rtn: { bits: 4, group: 32 }
//     - pack
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"

namespace sluice::runtime {

// Every error names the file and the line; an unknown key, stage or parameter also the nearest or
// the valid ones. Parameters are checked against their stage's table; whether the stages fit
// together is Pipeline::create's to say.
Result<kernels::PipelineSpec> parse_pipeline(const std::string& yaml, const std::string& file_name);
Result<kernels::PipelineSpec> load_pipeline(const std::filesystem::path& path);

// NAME.yaml in `folder`. A name has letters, digits and "._+-@" only, so it leads nowhere else:
// whoever sends a request may choose it. kNotFound names the nearest preset.
Result<kernels::PipelineSpec> find_preset(std::string_view name,
                                          const std::filesystem::path& folder);

// A name that has a "/" or ends in ".yaml" is a path; others are presets. For the operator alone.
Result<kernels::PipelineSpec> find_pipeline(const std::string& name_or_path,
                                            const std::filesystem::path& folder);

// The presets' names, sorted.
std::vector<std::string> preset_names(const std::filesystem::path& folder);

// Of the stages and their parameters, the names and summaries left out: equal on every machine.
std::uint64_t pipeline_hash(const kernels::PipelineSpec& spec);

}  // namespace sluice::runtime
