// SPDX-License-Identifier: Apache-2.0
// A model's compression levels on disk, as YAML: `sluice profile` writes it, a scheduler reads it.
//
//   model: "48daea5a8929c080"     # fingerprint
//   profile: "0123456789abcdef"   # hash of the calibrated tensors that the levels were measured
//   with items: 24 raw_bytes_per_token: 23040 prefill_s_per_token: 0.0008
//   decode_s_per_output_token: 0.02
//   levels:
//     - pipeline: raw
//       bytes_per_token: 23040
//       ...
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "kernels/core/result.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::runtime {

// Every key of the file is there once and no other; numbers are finite and not negative, shares at
// most 1; pipelines are named once. What is wrong is kInvalidArgument and names file, line and key.
// Levels come by descending bytes per token, whatever their order in the file.
Result<scheduler::LevelTable> parse_level_table(const std::string& yaml,
                                                const std::string& file_name);

// As parse_level_table; kNotFound: it cannot be read; kInvalidArgument also when it is another
// model's.
Result<scheduler::LevelTable> load_level_table(const std::filesystem::path& path,
                                               std::uint64_t model_fingerprint);

// Parsing it gives the same table, to the last bit.
std::string format_level_table(const scheduler::LevelTable& table);

// Whole or not at all.
Status save_level_table(const std::filesystem::path& path, const scheduler::LevelTable& table);

}  // namespace sluice::runtime
