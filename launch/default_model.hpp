// SPDX-License-Identifier: Apache-2.0
// Where launch/setup puts the model that a configuration calls "default".
#pragma once

#include <filesystem>
#include <string>

namespace sluice::launch {

// $SLUICE_CACHE, else .cache/sluice in the home folder.
std::filesystem::path cache_folder();

// The path the build was configured with, else models/ in the cache folder. The file need not be
// there.
std::filesystem::path default_model_path();

// The SHA-256 it should have, from launch/versions.env at build time; empty when not known.
std::string default_model_sha256();

}  // namespace sluice::launch
