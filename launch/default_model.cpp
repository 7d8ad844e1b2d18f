// SPDX-License-Identifier: Apache-2.0
#include "launch/default_model.hpp"

#include <cstdlib>

namespace sluice::launch {

std::filesystem::path cache_folder() {
  const char* given = std::getenv("SLUICE_CACHE");
  if (given != nullptr && *given != '\0') return given;
  const char* home = std::getenv("HOME");
  return home == nullptr ? std::filesystem::path()
                         : std::filesystem::path(home) / ".cache" / "sluice";
}

std::filesystem::path default_model_path() {
  const std::filesystem::path configured = SLUICE_DEFAULT_MODEL;
  if (!configured.empty()) return configured;
  return cache_folder() / "models" / SLUICE_DEFAULT_MODEL_FILE;
}

std::string default_model_sha256() { return SLUICE_DEFAULT_MODEL_SHA256; }

}  // namespace sluice::launch
