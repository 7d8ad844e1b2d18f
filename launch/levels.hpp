// SPDX-License-Identifier: Apache-2.0
// The model's table of compression levels, where a cluster finds it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "kernels/core/result.hpp"
#include "launch/rank.hpp"
#include "scheduler/level_table.hpp"

namespace sluice::launch {

// The table that scheduler.levels names; where it names none, the one beside the model's profile in
// the cache folder, or null when there is none; null also for "none". Needs open_pipelines(). An
// error, a sentence for the operator that says what to do: it cannot be read, is of another model
// or profile, or a level is not what its preset is now.
Result<std::shared_ptr<const scheduler::LevelTable>> load_levels(const LoadedModel& model);

// Whether what was measured is what would be sent: the same calibration and, of each level, the
// stages that its preset in `presets` has. `path` is for the message.
Status check_levels(const scheduler::LevelTable& table, const std::filesystem::path& path,
                    std::uint64_t profile_hash, const std::filesystem::path& presets);

}  // namespace sluice::launch
