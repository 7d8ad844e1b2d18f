// SPDX-License-Identifier: Apache-2.0
// A config.json, read up to the checked spec of the model.
#include "kernels/core/check.hpp"
#include "runtime/model/architecture.hpp"
#include "runtime/model/spec_check.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/tiny_llama.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::runtime;
  const sluice::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto config = ModelConfig::parse(bytes, "config.json");
  SLUICE_CHECK(config.has_value() || !config.error().message.empty(), "an error says nothing");
  if (!config) return 0;
  const auto architecture = architecture_of_config(*config);
  if (!architecture) return 0;
  const auto spec = (*architecture)->spec_from_config(*config);
  if (!spec || !check_spec(*spec, "config.json")) return 0;
  // What passes is safe to compute with: the sanitizer sees an overflow here.
  for (const auto& row : (*architecture)->weights) {
    if (row.shape == nullptr) continue;
    std::int64_t elements = 1;
    for (const std::int64_t extent : row.shape(*spec)) elements *= extent;
    SLUICE_CHECK(elements > 0, "a weight without elements");
  }
  return 0;
}

namespace sluice::fuzz {

std::vector<std::string> seeds() {
  tests::TinyLlama tiny;
  tests::TinyLlama scaled;
  scaled.config_extra =
      R"(, "sliding_window": 4096, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
      "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32})";
  tests::TinyLlama yarn;
  yarn.config_extra =
      R"(, "rope_parameters": {"type": "yarn", "factor": 4, "mscale": 1, "mscale_all_dim": 1})";
  return {tiny.config_json(), scaled.config_json(), yarn.config_json()};
}

}  // namespace sluice::fuzz
