// SPDX-License-Identifier: Apache-2.0
#include "launch/codec_paths.hpp"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "launch/default_model.hpp"
#include "runtime/model/profile_file.hpp"

namespace sluice::launch {

namespace {

// What is installed beside the program, else where it lies in the source tree.
std::filesystem::path shared_path(const char* installed, const char* source) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = program.parent_path().parent_path() / "share" / "sluice" / installed;
  if (!error && std::filesystem::exists(beside, error)) return beside;
  return std::filesystem::path(SLUICE_SOURCE_DIR) / source;
}

}  // namespace

std::filesystem::path presets_folder() { return shared_path("pipelines", "configs/pipelines"); }

std::filesystem::path studies_folder() { return shared_path("studies", "configs/studies"); }

std::filesystem::path tasks_folder() { return shared_path("tasks", "configs/tasks"); }

std::filesystem::path calibration_text() {
  return shared_path("calibration.txt", "launch/calibration.txt");
}

std::filesystem::path default_profile_path(std::uint64_t model_fingerprint) {
  return cache_folder() / "profiles" / fmt::format("{:016x}.safetensors", model_fingerprint);
}

std::filesystem::path default_levels_path(std::uint64_t model_fingerprint) {
  return cache_folder() / "profiles" / fmt::format("{:016x}.levels.yaml", model_fingerprint);
}

Result<std::shared_ptr<const kernels::Profile>> open_profile(
    const std::filesystem::path& configured, std::uint64_t model_fingerprint) {
  const auto path = configured.empty() ? default_profile_path(model_fingerprint) : configured;
  auto profile = runtime::load_profile(path, model_fingerprint);
  if (profile) return std::make_shared<const kernels::Profile>(std::move(*profile));
  if (configured.empty() && profile.error().code == ErrorCode::kNotFound) {
    return std::shared_ptr<const kernels::Profile>();
  }
  return std::move(profile).error();
}

}  // namespace sluice::launch
