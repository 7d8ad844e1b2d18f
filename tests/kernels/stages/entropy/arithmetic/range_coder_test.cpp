// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/arithmetic/range_coder.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice::kernels {
namespace {

// Spans of random sizes, down to one slot, cover [0, 2^16).
std::vector<SymbolSpan> random_spans(std::mt19937& generator) {
  std::vector<SymbolSpan> spans;
  for (std::uint32_t start = 0; start < 65536;) {
    const std::uint32_t size = 1 + (generator() & 0xffffU) % (65536 - start);
    spans.push_back({start, size});
    start += size;
  }
  return spans;
}

TEST(RangeCoder, ReturnsEverySymbol) {
  std::mt19937 generator(1);
  for (int round = 0; round < 300; ++round) {
    const auto spans = random_spans(generator);
    // Slots at random, and the ends of the range again and again: what makes carries.
    std::vector<std::size_t> symbols(generator() % 200);
    for (auto& symbol : symbols) {
      symbol = round % 3 == 0 ? spans.size() - 1 : generator() % spans.size();
    }
    RangeEncoder encoder;
    for (const std::size_t symbol : symbols) encoder.put(spans[symbol]);
    const auto bytes = encoder.finish();
    RangeDecoder decoder(bytes);
    for (const std::size_t symbol : symbols) {
      const std::uint32_t slot = decoder.slot();
      ASSERT_GE(slot, spans[symbol].start);
      ASSERT_LT(slot, spans[symbol].start + spans[symbol].frequency);
      decoder.take(spans[symbol]);
    }
    EXPECT_TRUE(decoder.is_at_end());
  }
}

TEST(RangeCoder, CarriesGoThroughBytesOf255) {
  RangeEncoder encoder;
  // Almost the last slot of the range for long, then the very last: low is 0xff... and overflows.
  for (int i = 0; i < 40; ++i) encoder.put({65534, 1});
  for (int i = 0; i < 40; ++i) encoder.put({65535, 1});
  const auto bytes = encoder.finish();
  RangeDecoder decoder(bytes);
  for (int i = 0; i < 80; ++i) {
    ASSERT_EQ(decoder.slot(), i < 40 ? 65534U : 65535U);
    decoder.take({i < 40 ? 65534U : 65535U, 1});
  }
}

TEST(RangeCoder, NothingIsFourBytes) {
  RangeEncoder encoder;
  const auto bytes = encoder.finish();
  EXPECT_EQ(bytes.size(), 4U);
  EXPECT_TRUE(RangeDecoder(bytes).is_at_end());
  EXPECT_FALSE(RangeDecoder({}).is_at_end());
}

}  // namespace
}  // namespace sluice::kernels
