// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/uniform/uniform_level.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "tests/kernels/stages/quantize/each_target.hpp"

namespace sluice::kernels {
namespace {

using testing_support::for_each_target;

TEST(UniformLevel, VectorsRoundAsSingleNumbersDo) {
  UniformStep step{.step = 0.5F, .inverse = 2.0F, .dead_zone = 0.125F, .shrink = 0.25F};
  std::vector<float> values;
  for (int i = -1100; i < 1100; ++i) values.push_back(static_cast<float>(i) / 16);  // many ties
  values.insert(values.end(), {0.0F, -0.0F, 1e-40F, 3.4e38F, -3.4e38F, 63.8124F, 63.8126F});
  for_each_target([&] {
    std::vector<std::uint8_t> symbols(values.size());
    uniform_encode_row(step, values.data(), values.size(), symbols.data());
    std::vector<float> back(values.size());
    uniform_decode_row(step, symbols.data(), symbols.size(), back.data());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::int32_t number = uniform_number(values[i], step);
      if (std::abs(number) > 127) {
        ASSERT_EQ(symbols[i], 255) << values[i];
      } else {
        ASSERT_EQ(symbols[i], 127 + number) << values[i];
        ASSERT_EQ(std::bit_cast<std::uint32_t>(back[i]),
                  std::bit_cast<std::uint32_t>(uniform_value(number, step)));
      }
    }
  });
}

}  // namespace
}  // namespace sluice::kernels
