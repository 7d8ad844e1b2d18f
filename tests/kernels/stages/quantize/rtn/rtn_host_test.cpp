// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "kernels/stages/quantize/rtn/rtn_device.hpp"
#include "tests/kernels/stages/quantize/each_target.hpp"

namespace sluice::kernels {
namespace {

using testing_support::for_each_target;

constexpr float kMax = std::numeric_limits<float>::max();

std::vector<float> normal_values(std::int64_t rows, std::int64_t columns) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = normal(random) + static_cast<float>(i % static_cast<std::size_t>(columns) % 5);
  }
  return values;
}

// A tile with its buffers; `side` and `symbols` end where they must.
struct Tile {
  std::vector<float> values;
  std::vector<std::uint8_t> symbols;
  std::vector<std::byte> side;
  RtnTask task;

  Tile(const RtnTask& like, std::vector<float> from) : values(std::move(from)), task(like) {
    task.stride = task.columns;
    symbols.assign(static_cast<std::size_t>(task.rows * task.columns), 99);
    side.assign(static_cast<std::size_t>(task.side_bytes()), std::byte{99});
    task.values = values.data();
    task.symbols = symbols.data();
    task.side = side.data();
  }
};

// The same bits from the tuned code on every instruction set as from the body that the GPU runs.
void expect_tuned_is_body(const RtnTask& like, const std::vector<float>& values) {
  Tile body(like, values);
  with_rtn_body<true>(body.task, [](auto grid, const auto& run) { run_on_host(grid, run); });
  Tile decoded(like, std::vector<float>(values.size()));
  decoded.task.symbols = body.symbols.data();
  decoded.task.side = body.side.data();
  with_rtn_body<false>(decoded.task, [](auto grid, const auto& run) { run_on_host(grid, run); });
  for (const std::uint8_t symbol : body.symbols) ASSERT_LT(symbol, 1 << like.bits);
  for (const float value : decoded.values) ASSERT_LE(std::abs(value), kBf16Max);
  for_each_target([&] {
    Tile tuned(like, values);
    rtn_encode_on_host(tuned.task);
    ASSERT_EQ(tuned.symbols, body.symbols);
    ASSERT_EQ(tuned.side, body.side);
    Tile back(like, std::vector<float>(values.size()));
    back.task.symbols = body.symbols.data();
    back.task.side = body.side.data();
    rtn_decode_on_host(back.task);
    ASSERT_EQ(std::memcmp(back.values.data(), decoded.values.data(), 4 * values.size()), 0);
  });
}

TEST(RtnHost, TunedCodeGivesTheBitsOfTheBody) {
  for (const bool is_along_tokens : {false, true}) {
    for (const bool is_symmetric : {false, true}) {
      for (const std::int32_t bits : {2, 3, 4, 8}) {
        for (const std::int64_t group : {1, 5, 16, 32, 64, 128}) {
          for (const std::int64_t columns : {1, 3, 80, 96, 192, 520}) {
            const RtnTask task{.rows = 7,
                               .columns = columns,
                               .group = group,
                               .bits = bits,
                               .is_along_tokens = is_along_tokens,
                               .is_symmetric = is_symmetric};
            SCOPED_TRACE(testing::Message() << is_along_tokens << is_symmetric << " bits " << bits
                                            << " group " << group << " columns " << columns);
            ASSERT_NO_FATAL_FAILURE(expect_tuned_is_body(task, normal_values(7, columns)));
          }
        }
      }
    }
  }
}

// Zeros of both signs, subnormals, FP32's and BF16's largest numbers, all alike, or in mixtures.
TEST(RtnHost, ExtremeValuesStayFiniteAndAlikeEverywhere) {
  const std::vector<std::vector<float>> families = {{0.0F, -0.0F},
                                                    {5.0F},
                                                    {1e-40F, -1e-42F, 0.0F},
                                                    {kMax, -kMax, 0.0F, 1.0F},
                                                    {kBf16Max, 0.99F * kBf16Max},
                                                    {kMax, 0.9F * kMax},
                                                    {kMax, 0.0F},
                                                    {-kMax, 0.0F},
                                                    {10.0F, 10.00001F, 10.00002F},
                                                    {1e30F, 1.0F, -1e-30F}};
  std::mt19937 random(9);
  for (const auto& family : families) {
    std::vector<float> values(3 * 192);
    for (float& value : values) value = family[random() % family.size()];
    for (const bool is_along_tokens : {false, true}) {
      for (const bool is_symmetric : {false, true}) {
        for (const std::int32_t bits : {2, 4, 8}) {
          const RtnTask task{.rows = 3,
                             .columns = 192,
                             .group = 32,
                             .bits = bits,
                             .is_along_tokens = is_along_tokens,
                             .is_symmetric = is_symmetric};
          SCOPED_TRACE(testing::Message() << family[0] << ' ' << is_symmetric << ' ' << bits);
          ASSERT_NO_FATAL_FAILURE(expect_tuned_is_body(task, values));
        }
      }
    }
  }
}

TEST(RtnHost, NotANumberIsNoCrash) {
  for_each_target([] {
    for (const bool is_along_tokens : {false, true}) {
      Tile tile(
          {.rows = 3, .columns = 40, .group = 32, .bits = 4, .is_along_tokens = is_along_tokens},
          std::vector<float>(120, std::nanf("")));
      rtn_encode_on_host(tile.task);
      rtn_decode_on_host(tile.task);
    }
  });
}

}  // namespace
}  // namespace sluice::kernels
