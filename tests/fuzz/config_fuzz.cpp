// SPDX-License-Identifier: Apache-2.0
// A cluster file that a person typed, or a table of levels.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "runtime/config/config.hpp"
#include "runtime/config/study_config.hpp"
#include "runtime/config/level_table_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string yaml(reinterpret_cast<const char*>(data), size);
  (void)sluice::runtime::parse_config(yaml, "fuzz");
  if (const auto table = sluice::runtime::parse_level_table(yaml, "fuzz")) {
    const auto again =
        sluice::runtime::parse_level_table(sluice::runtime::format_level_table(*table), "fuzz");
    if (again.value() != *table) std::abort();
  }
  (void)sluice::runtime::parse_study(yaml, "fuzz", "no-presets");
  return 0;
}
