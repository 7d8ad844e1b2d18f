// SPDX-License-Identifier: Apache-2.0
// Where this machine keeps presets of pipelines and profiles of models.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "kernels/core/result.hpp"
#include "kernels/stages/profile.hpp"

namespace sluice::launch {

// configs/pipelines of the source tree, or share/sluice/pipelines beside an installed program.
std::filesystem::path presets_folder();

// configs/studies or share/sluice/studies.
std::filesystem::path studies_folder();

// Small parts of the tasks' data sets, likewise: configs/tasks or share/sluice/tasks.
std::filesystem::path tasks_folder();

// profiles/<fingerprint>.safetensors in the cache folder: what `sluice codec calibrate` writes. The
// file need not be there.
std::filesystem::path default_profile_path(std::uint64_t model_fingerprint);

// profiles/<fingerprint>.levels.yaml in the cache folder: what `sluice profile` writes.
std::filesystem::path default_levels_path(std::uint64_t model_fingerprint);

// What `sluice codec calibrate` learns from unless told otherwise: a text that comes along.
std::filesystem::path calibration_text();

// The file at `configured`; if that is empty, the default one, or null when there is none. An error
// names a file that is there but of another model, or damaged.
Result<std::shared_ptr<const kernels::Profile>> open_profile(
    const std::filesystem::path& configured, std::uint64_t model_fingerprint);

}  // namespace sluice::launch
