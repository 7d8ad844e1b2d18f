// SPDX-License-Identifier: Apache-2.0
#include "tests/parity/kvpress_reference.hpp"

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "kernels/core/bytes.hpp"

namespace sluice {
namespace {

constexpr std::array<char, 4> kMagic{'S', 'L', 'K', 'V'};

Result<KvpressMethod> read_method(ByteReader& reader, std::size_t tokens, std::size_t budgets) {
  KvpressMethod method;
  method.name = SLUICE_TRY(reader.get_string());
  const auto sizes = SLUICE_TRY((reader.get<std::array<std::uint32_t, 4>>()));
  method.layers = sizes[0];
  method.heads = sizes[1];
  method.scored_first = sizes[2];
  method.scored_last = sizes[3];
  const std::size_t sets = std::size_t{sizes[0]} * sizes[1];
  const Bytes summaries = SLUICE_TRY(reader.get_bytes(sets * sizeof(KvpressMethod::Summary)));
  method.summaries.resize(sets);
  std::memcpy(method.summaries.data(), summaries.data(), summaries.size());
  for (std::size_t budget = 0; budget < budgets; ++budget) {
    const Bytes kept = SLUICE_TRY(reader.get_bytes(sets * ((tokens + 7) / 8)));
    const auto* bits = reinterpret_cast<const std::uint8_t*>(kept.data());
    method.kept.emplace_back(bits, bits + kept.size());
  }
  return method;
}

Result<KvpressPrompt> read_prompt(ByteReader& reader, std::size_t budgets) {
  KvpressPrompt prompt;
  prompt.ids = SLUICE_TRY(reader.get_array<std::int32_t>());
  prompt.question_tokens = SLUICE_TRY(reader.get<std::uint32_t>());
  const auto methods = SLUICE_TRY(reader.get<std::uint32_t>());
  for (std::uint32_t i = 0; i < methods; ++i) {
    prompt.methods.push_back(SLUICE_TRY(read_method(reader, prompt.ids.size(), budgets)));
  }
  return prompt;
}

}  // namespace

Result<KvpressReference> read_kvpress_reference() {
  std::ifstream file(SLUICE_SOURCE_DIR "/tests/parity/kvpress_reference.bin", std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  ByteReader reader(as_bytes(text));
  if (SLUICE_TRY((reader.get<std::array<char, 4>>())) != kMagic) {
    return make_error(ErrorCode::kCorrupt, "kvpress_reference.bin is something else");
  }
  const auto header = SLUICE_TRY((reader.get<std::array<std::uint32_t, 4>>()));
  KvpressReference reference;
  reference.kv_heads = header[2];
  for (std::uint32_t i = 0; i < header[3]; ++i) {
    reference.budgets.push_back(SLUICE_TRY(reader.get<float>()));
  }
  for (std::uint32_t i = 0; i < header[1]; ++i) {
    reference.prompts.push_back(SLUICE_TRY(read_prompt(reader, header[3])));
  }
  if (reader.remaining() != 0) return make_error(ErrorCode::kCorrupt, "bytes are left over");
  return reference;
}

}  // namespace sluice
