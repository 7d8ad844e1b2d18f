// SPDX-License-Identifier: Apache-2.0
// A safetensors file.
#include "kernels/core/check.hpp"
#include "runtime/model/safetensors_parser.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/safetensors_builder.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto contents = sluice::runtime::parse_safetensors(bytes, "fuzz.safetensors");
  SLUICE_CHECK(contents.has_value() || !contents.error().message.empty(), "an error says nothing");
  if (!contents) return 0;
  for (const auto& [name, tensor] : *contents) {
    if (!tensor.view) continue;
    SLUICE_CHECK(tensor.view->data >= bytes.data(), "a tensor starts before the file");
    const auto offset = static_cast<std::size_t>(tensor.view->data - bytes.data());
    SLUICE_CHECK(offset <= size && tensor.view->bytes() <= size - offset,
                 "a tensor ends after the file");
  }
  return 0;
}

namespace sluice::fuzz {

std::vector<std::string> seeds() {
  tests::SafetensorsBuilder builder;
  builder.tensor_f32("a", {2, 3}, {0, 1, 2, 3, 4, 5}).tensor("b", "BF16", {4}, "12345678");
  builder.tensor("c", "I64", {0}, "").tensor("d", "F16", {}, "hh");
  return {builder.build(), tests::safetensors_file(R"({"__metadata__":{"format":"pt"}})", "")};
}

}  // namespace sluice::fuzz
