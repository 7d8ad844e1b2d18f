// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/correct/gear/gear.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::make_transform;
using testing_support::relative_energy;
using testing_support::TransformCase;

// Rounded to steps of `step`: a quantizer to be corrected.
std::vector<float> rounded(std::vector<float> values, float step) {
  for (auto& value : values) value = std::rint(value / step) * step;
  return values;
}

// After correction of `reconstructed`, and the bytes that took.
struct Corrected {
  std::vector<float> values;
  std::vector<std::byte> side;
};
Corrected correct(const Stage& stage, const TransformCase& on, const std::vector<float>& original,
                  const std::vector<float>& reconstructed, std::int64_t columns) {
  const auto& gear = dynamic_cast<const CorrectStage&>(stage);
  ByteWriter side;
  EXPECT_TRUE(gear.encode(on.plane, {original.data(), on.rows(), columns, columns},
                          {reconstructed.data(), on.rows(), columns, columns}, side));
  Corrected result{reconstructed, side.take()};
  ByteReader reader(result.side);
  EXPECT_TRUE(gear.decode(on.plane, reader, {result.values.data(), on.rows(), columns, columns}));
  EXPECT_EQ(reader.remaining(), 0U);
  return result;
}

TEST(Gear, LosesLessThanTheQuantizerAlone) {
  TransformCase on(120, 3, 16);
  const auto original = on.normal_values(1);
  auto got = rounded(original, 1.0F);
  for (std::size_t i = 0; i < got.size(); i += 97) got[i] += 5.0F;  // entries lost altogether
  const double alone = relative_energy(original, got);
  const auto none = make_transform(gear_row(), {{"rank", 0.0}, {"sparse", 0.0}});
  const auto sparse = make_transform(gear_row(), {{"rank", 0.0}});
  const auto both = make_transform(gear_row(), {});
  EXPECT_EQ(correct(*none, on, original, got, 48).values, got);
  const double after_sparse =
      relative_energy(original, correct(*sparse, on, original, got, 48).values);
  const auto corrected = correct(*both, on, original, got, 48);
  const double after_both = relative_energy(original, corrected.values);
  EXPECT_LT(after_sparse, 0.3 * alone);
  EXPECT_LT(after_both, 0.8 * after_sparse);
  // 115 entries of about 3 bytes, and three heads of rank 4.
  EXPECT_LT(corrected.side.size(), 8U + 115 * 3 + 20 + 3 * (1 + 2 * 4 * (16 + 120)));
}

TEST(Gear, AnyWidthHasItsBlocks) {
  TransformCase on(30, 3, 16);
  on.plane.layer_count = 2;
  for (const std::int64_t columns : {96, 12, 7, 1}) {
    std::vector<float> original(static_cast<std::size_t>(30 * columns));
    for (std::size_t i = 0; i < original.size(); ++i) {
      original[i] = std::sin(static_cast<float>(i * i));
    }
    const std::vector<float> nothing(original.size(), 0.0F);
    const auto stage = make_transform(gear_row(), {{"rank", 16.0}});
    EXPECT_LT(relative_energy(original, correct(*stage, on, original, nothing, columns).values),
              2e-5);
  }
}

TEST(Gear, NoRowsAndOneRow) {
  const auto stage = make_transform(gear_row(), {});
  TransformCase empty(0);
  EXPECT_TRUE(correct(*stage, empty, {}, {}, 48).values.empty());
  TransformCase one(1);
  const auto original = one.normal_values(2);
  const auto got = rounded(original, 0.5F);
  EXPECT_LT(relative_energy(original, correct(*stage, one, original, got, 48).values), 1e-5);
  EXPECT_EQ(correct(*stage, one, got, got, 48).values, got);  // nothing was lost
}

TEST(Gear, EveryCutIsRefused) {
  TransformCase on(10);
  const auto original = on.normal_values(3);
  const auto stage = make_transform(gear_row(), {});
  auto corrected = correct(*stage, on, original, rounded(original, 1.0F), 48);
  const auto& gear = dynamic_cast<const CorrectStage&>(*stage);
  for (std::size_t bytes = 0; bytes < corrected.side.size(); ++bytes) {
    ByteReader cut(Bytes(corrected.side).first(bytes));
    const auto refused = gear.decode(on.plane, cut, {corrected.values.data(), 10, 48, 48});
    ASSERT_FALSE(refused) << bytes;
    EXPECT_EQ(refused.error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace sluice::kernels
