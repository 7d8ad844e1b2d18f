// SPDX-License-Identifier: Apache-2.0
#include "launch/levels.hpp"

#include <string>
#include <system_error>
#include <utility>

#include "launch/codec_paths.hpp"
#include "runtime/config/level_table_file.hpp"
#include "runtime/config/nearest_name.hpp"
#include "runtime/config/pipeline_config.hpp"

namespace sluice::launch {
namespace {

constexpr const char* kNone = "none";

Error not_of_now(const std::filesystem::path& path, const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument,
                    path.string() + ": " + why +
                        "; measure again with 'sluice profile', or set scheduler.levels to none");
}

}  // namespace

Status check_levels(const scheduler::LevelTable& table, const std::filesystem::path& path,
                    std::uint64_t profile_hash, const std::filesystem::path& presets) {
  if (table.profile_hash != profile_hash) {
    return not_of_now(path, "the levels were measured with another profile of the model");
  }
  if (table.levels.empty()) return not_of_now(path, "there is no level in it");
  for (const scheduler::Level& level : table.levels) {
    const auto preset = runtime::find_preset(level.pipeline, presets);
    if (!preset) return not_of_now(path, preset.error().message);
    if (runtime::pipeline_hash(*preset) == level.stages) continue;
    return not_of_now(path, "the preset " + runtime::in_quotes(level.pipeline) +
                                " has other stages than when it was measured");
  }
  return {};
}

Result<std::shared_ptr<const scheduler::LevelTable>> load_levels(const LoadedModel& model) {
  const std::string& named = model.config.scheduler.levels;
  if (named == kNone) return std::shared_ptr<const scheduler::LevelTable>();
  const std::uint64_t fingerprint = model.file->fingerprint();
  std::filesystem::path path = named;
  if (named.empty()) {
    path = default_levels_path(fingerprint);
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      return std::shared_ptr<const scheduler::LevelTable>();
    }
  }
  auto table = runtime::load_level_table(path, fingerprint);
  if (!table && table.error().code == ErrorCode::kNotFound) return table.error();
  if (!table) {
    return make_error(table.error().code,
                      table.error().message + "; measure again with 'sluice profile'");
  }
  SLUICE_TRY(check_levels(*table, path, model.pipelines->profile_hash(), presets_folder()));
  return std::make_shared<const scheduler::LevelTable>(std::move(*table));
}

}  // namespace sluice::launch
