// SPDX-License-Identifier: Apache-2.0
// A plane's coded symbols, behind a head that says which coder and which shape: u8 coder, u8 rows,
// u8 columns, u8 bits and contexts (a seed).
#include "kernels/core/check.hpp"
#include "kernels/stages/entropy/arithmetic/arithmetic.hpp"
#include "kernels/stages/entropy/rans/rans.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace sluice::kernels {
namespace {

constexpr std::size_t kHeadBytes = 4;

struct Input {
  explicit Input(const std::uint8_t* head) : is_rans(head[0] % 2 == 0), rows(head[1]) {
    const unsigned columns = head[2] % 100U;
    for (unsigned i = 0; i < columns; ++i) {
      const unsigned bits = head[3] < 8 ? head[3] + 1U : head[3] * (i + 1) % 9;
      shape.bits.push_back(static_cast<std::uint8_t>(bits));
      shape.context.push_back(static_cast<std::uint16_t>(i / (1 + head[3] % 5U)));
    }
    cache.kv_heads = 1;
    plane.shape = &cache;
    plane.head_count = 1;
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  std::unique_ptr<Stage> stage() const {
    const StageRow row = is_rans ? rans_row() : arithmetic_row();
    return row.create(Parameters::parse(row.name, row.parameters, {}).value()).value();
  }

  bool is_rans;
  std::int64_t rows;
  SymbolShape shape;
  CacheShape cache;
  Plane plane;
};

}  // namespace
}  // namespace sluice::kernels

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice::kernels;
  if (size < kHeadBytes) return 0;
  const Input input(data);
  const auto stage = input.stage();
  const std::size_t columns = input.shape.bits.size();
  std::vector<std::uint8_t> symbols(static_cast<std::size_t>(input.rows) * columns);
  const sluice::Bytes bytes(reinterpret_cast<const std::byte*>(data) + kHeadBytes,
                            size - kHeadBytes);
  const auto status = static_cast<const EntropyStage&>(*stage).decode(
      input.plane, input.shape, input.rows, bytes, symbols.data());
  SLUICE_CHECK(status.has_value() || !status.error().message.empty(), "an error says nothing");
  if (!status) return 0;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    SLUICE_CHECK(symbols[i] < 1U << input.shape.bits[i % columns], "a symbol of too many bits");
  }
  return 0;
}

namespace sluice::fuzz {

std::vector<std::string> seeds() {
  using namespace sluice::kernels;
  std::vector<std::string> inputs;
  for (const std::uint8_t rows : {1, 40, 100}) {
    for (const std::uint8_t bits : {0, 3, 7, 23}) {
      for (const std::uint8_t coder : {0, 1}) {
        const std::uint8_t head[kHeadBytes] = {coder, rows, 33, bits};
        const Input input(head);
        std::vector<std::uint8_t> symbols(input.shape.bits.size() * rows);
        for (std::size_t i = 0; i < symbols.size(); ++i) {
          const unsigned mask = (1U << input.shape.bits[i % input.shape.bits.size()]) - 1;
          symbols[i] = static_cast<std::uint8_t>((i % 5 == 0 ? i : i % 2) & mask);
        }
        ByteWriter out;
        static_cast<const EntropyStage&>(*input.stage())
            .encode(input.plane, input.shape, rows, symbols.data(), out)
            .value();
        std::string text(reinterpret_cast<const char*>(head), kHeadBytes);
        text.append(reinterpret_cast<const char*>(out.bytes().data()), out.bytes().size());
        inputs.push_back(text);
      }
    }
  }
  return inputs;
}

}  // namespace sluice::fuzz
