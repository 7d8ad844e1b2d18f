// SPDX-License-Identifier: Apache-2.0
// A cluster file that a person typed.
#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/config/config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string yaml(reinterpret_cast<const char*>(data), size);
  (void)sluice::runtime::parse_config(yaml, "fuzz");
  return 0;
}
