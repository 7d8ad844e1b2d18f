// SPDX-License-Identifier: Apache-2.0
#include "launch/default_model.hpp"

#include <cstdlib>

namespace sluice::launch {

std::filesystem::path default_model_path() {
  const std::filesystem::path configured = SLUICE_DEFAULT_MODEL;
  if (!configured.empty()) return configured;
  std::filesystem::path cache;
  if (const char* given = std::getenv("SLUICE_CACHE"); given != nullptr && *given != '\0') {
    cache = given;
  } else if (const char* home = std::getenv("HOME"); home != nullptr) {
    cache = std::filesystem::path(home) / ".cache" / "sluice";
  }
  return cache / "models" / SLUICE_DEFAULT_MODEL_FILE;
}

std::string default_model_sha256() { return SLUICE_DEFAULT_MODEL_SHA256; }

}  // namespace sluice::launch
