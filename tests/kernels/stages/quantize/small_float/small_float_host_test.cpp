// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/stages/quantize/small_float/small_float_device.hpp"
#include "tests/kernels/stages/quantize/each_target.hpp"

namespace sluice::kernels {
namespace {

using testing_support::for_each_target;

// All magnitudes of a format by its definition, by code.
std::vector<double> magnitudes(int mantissa, int bias, int codes) {
  std::vector<double> values;
  for (int code = 0; code < codes; ++code) {
    const int exponent = code >> mantissa;
    const double fraction =
        static_cast<double>(code & ((1 << mantissa) - 1)) / static_cast<double>(1 << mantissa);
    values.push_back(exponent == 0 ? std::ldexp(fraction, 1 - bias)
                                   : std::ldexp(1 + fraction, exponent - bias));
  }
  return values;
}

// The nearest code, the even one of two, by search.
std::uint8_t nearest_code(const std::vector<double>& values, double size) {
  if (size >= values.back()) return static_cast<std::uint8_t>(values.size() - 1);
  std::size_t best = 0;
  for (std::size_t code = 1; code < values.size(); ++code) {
    const double was = std::abs(values[best] - size);
    const double now = std::abs(values[code] - size);
    if (now < was || (now == was && code % 2 == 0)) best = code;
  }
  return static_cast<std::uint8_t>(best);
}

template <class Float>
void expect_rounds_to_nearest(const std::vector<double>& values, std::uint8_t sign) {
  for (std::size_t code = 0; code < values.size(); ++code) {
    ASSERT_EQ(Float::decode(static_cast<std::uint32_t>(code)), values[code]);
    ASSERT_EQ(Float::encode(static_cast<float>(-values[code])), code | sign);
  }
  std::vector<double> sizes = {1e-40, 1e-9, 1e9, 3.4e38};
  for (std::size_t code = 1; code < values.size(); ++code) {
    const double middle = (values[code - 1] + values[code]) / 2;  // a tie, and what is beside it
    sizes.insert(sizes.end(), {middle, middle * (1 - 0x1p-20), middle * (1 + 0x1p-20)});
  }
  for (const double size : sizes) {
    const auto value = static_cast<float>(size);
    ASSERT_EQ(Float::encode(value), nearest_code(values, double{value})) << size;
  }
}

TEST(SmallFloat, RoundsToTheNearestNumberOfItsFormat) {
  expect_rounds_to_nearest<E4M3>(magnitudes(3, 7, 127), 0x80);  // but the NaN
  expect_rounds_to_nearest<E2M1>(magnitudes(1, 1, 8), 0x8);
  EXPECT_EQ(E4M3::encode(448.0F), 0x7e);
}

struct Tile {
  std::vector<float> values;
  std::vector<std::uint8_t> symbols;
  std::vector<std::byte> side;
  SmallFloatTask task;

  Tile(const SmallFloatTask& like, std::vector<float> from) : values(std::move(from)), task(like) {
    task.stride = task.columns;
    symbols.assign(static_cast<std::size_t>(task.rows * task.columns), 99);
    side.assign(static_cast<std::size_t>(task.side_bytes()), std::byte{99});
    task.values = values.data();
    task.symbols = symbols.data();
    task.side = side.data();
  }
};

void expect_tuned_is_body(const SmallFloatTask& like, const std::vector<float>& values) {
  Tile body(like, values);
  with_small_float_body<true>(body.task,
                              [](auto grid, const auto& run) { run_on_host(grid, run); });
  const std::uint8_t top = like.format == SmallFloatFormat::kFp8 ? 255 : 15;
  for (const std::uint8_t symbol : body.symbols) ASSERT_LE(symbol, top);
  Tile decoded(like, std::vector<float>(values.size()));
  decoded.task.symbols = body.symbols.data();
  decoded.task.side = body.side.data();
  with_small_float_body<false>(decoded.task,
                               [](auto grid, const auto& run) { run_on_host(grid, run); });
  for (const float value : decoded.values) ASSERT_TRUE(std::isfinite(value));
  for_each_target([&] {
    Tile tuned(like, values);
    small_float_encode_on_host(tuned.task);
    ASSERT_EQ(tuned.symbols, body.symbols);
    ASSERT_EQ(tuned.side, body.side);
    Tile back(like, std::vector<float>(values.size()));
    back.task.symbols = body.symbols.data();
    back.task.side = body.side.data();
    small_float_decode_on_host(back.task);
    ASSERT_EQ(std::memcmp(back.values.data(), decoded.values.data(), 4 * values.size()), 0);
  });
}

TEST(SmallFloat, TunedCodeGivesTheBitsOfTheBody) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const auto format :
       {SmallFloatFormat::kFp8, SmallFloatFormat::kMxFp4, SmallFloatFormat::kNvFp4}) {
    for (const std::int64_t group : {1, 5, 16, 32, 64, 128}) {
      for (const std::int64_t columns : {1, 3, 80, 96, 520}) {
        for (const float spread : {1.0F, 1e-38F, 1e37F, 0.0F}) {
          SmallFloatTask task;
          task.rows = 3;
          task.columns = columns;
          task.group = group;
          task.format = format;
          task.plane_scale = 4 * spread / 2688;
          std::vector<float> values(static_cast<std::size_t>(3 * columns));
          for (float& value : values) value = spread * normal(random) * normal(random);
          SCOPED_TRACE(testing::Message() << static_cast<int>(format) << " group " << group
                                          << " columns " << columns << " spread " << spread);
          ASSERT_NO_FATAL_FAILURE(expect_tuned_is_body(task, values));
        }
      }
    }
  }
}

TEST(SmallFloat, NotANumberIsNoCrash) {
  for_each_target([] {
    for (const auto format : {SmallFloatFormat::kFp8, SmallFloatFormat::kMxFp4}) {
      SmallFloatTask task;
      task.rows = 1;
      task.columns = task.group = 40;
      task.format = format;
      Tile tile(task, std::vector<float>(40, std::nanf("")));
      small_float_encode_on_host(tile.task);
      if (format == SmallFloatFormat::kMxFp4) {
        for (const std::uint8_t symbol : tile.symbols) EXPECT_LT(symbol, 16);
      }
    }
  });
}

}  // namespace
}  // namespace sluice::kernels
