// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json from anywhere.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/tokenizer/json_vocabulary.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  (void)sluice::runtime::read_json_vocabulary(json);
  return 0;
}
