// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/unrope/unrope.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/transformed_plane.hpp"

namespace sluice::kernels {
namespace {

using testing_support::forward;
using testing_support::inverse;
using testing_support::make_transform;
using testing_support::TransformCase;

std::vector<double> angles(std::int64_t pairs) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < pairs; ++i) {
    result.push_back(std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(pairs)));
  }
  return result;
}

// RoPE by its definition, in FP64 with libm: not the stage's arithmetic.
std::vector<float> roped(const TransformCase& on, const std::vector<float>& values) {
  const RopeAngles& rope = on.shape.rope;
  const std::size_t pairs = rope.radians_per_position.size();
  const auto head_dim = static_cast<std::size_t>(on.shape.head_dim);
  std::vector<float> result = values;
  const auto columns = static_cast<std::size_t>(on.plane.columns());
  for (std::size_t start = 0; start < values.size(); start += head_dim) {
    const double position = on.positions[start / columns];
    for (std::size_t i = 0; i < pairs; ++i) {
      const double turn = position * rope.radians_per_position[i];
      const double c = std::cos(turn) * rope.attention_factor;
      const double s = std::sin(turn) * rope.attention_factor;
      const std::size_t first = start + (rope.is_interleaved ? 2 * i : i);
      const std::size_t second = rope.is_interleaved ? first + 1 : first + pairs;
      const double a = values[first];
      const double b = values[second];
      result[first] = static_cast<float>(a * c - b * s);
      result[second] = static_cast<float>(b * c + a * s);
    }
  }
  return result;
}

void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 3e-6) << i;
}

TEST(Unrope, UndoesRopeAndDoesItAgain) {
  const auto stage = make_transform(unrope_row(), {});
  for (const std::int64_t head_dim : {16, 80, 6}) {
    for (const bool is_interleaved : {false, true}) {
      TransformCase on(23, 3, head_dim);
      for (auto& position : on.positions) position = position * 5711 + 3;  // rows were left out
      on.refresh();
      on.shape.rope = {angles(head_dim / 2 - 1), 1.25, is_interleaved};  // two pass unturned
      const auto original = on.normal_values(1);
      const auto stored = roped(on, original);
      const auto undone = forward(*stage, on, stored);
      EXPECT_TRUE(undone.side.empty());
      EXPECT_EQ(undone.columns, on.plane.columns());
      expect_near(undone.values, original);
      expect_near(inverse(*stage, on, undone), stored);
    }
  }
}

TEST(Unrope, TilesDoNotMatter) {
  const auto stage = make_transform(unrope_row(), {});
  TransformCase on(19);
  on.shape.rope.radians_per_position = angles(8);
  const auto values = on.normal_values(2);
  EXPECT_EQ(forward(*stage, on, values, 1).values, forward(*stage, on, values, 19).values);
}

TEST(Unrope, ValuesAndUnturnedModelsPass) {
  const auto stage = make_transform(unrope_row(), {});
  TransformCase on(4);
  const auto values = on.normal_values(3);
  EXPECT_EQ(forward(*stage, on, values).values, values);  // no angles
  on.shape.rope.radians_per_position = angles(8);
  EXPECT_NE(forward(*stage, on, values).values, values);
  on.plane.half = KvHalf::kValue;
  EXPECT_EQ(forward(*stage, on, values).values, values);
  TransformCase empty(0);
  empty.shape.rope.radians_per_position = angles(8);
  EXPECT_TRUE(forward(*stage, empty, {}).values.empty());
}

TEST(Unrope, OfAJointPlaneEachLayersKTurnsAndItsVPasses) {
  const auto stage = make_transform(unrope_row(), {});
  TransformCase keys(23, 3, 16);
  keys.shape.rope.radians_per_position = angles(8);
  keys.plane.layer_count = 2;
  TransformCase joint(23, 3, 16);
  joint.shape.rope = keys.shape.rope;
  joint.plane.layer_count = 2;
  joint.plane.half = KvHalf::kBoth;
  const auto values = joint.normal_values(9);
  constexpr std::size_t kPart = 3 * 16;
  const auto parts_of = [&](const std::vector<float>& all, std::size_t which) {
    std::vector<float> some;
    for (std::size_t at = which * kPart; at < all.size(); at += 2 * kPart) {
      some.insert(some.end(), all.begin() + static_cast<std::ptrdiff_t>(at),
                  all.begin() + static_cast<std::ptrdiff_t>(at + kPart));
    }
    return some;
  };
  const auto turned = forward(*stage, joint, values).values;
  ASSERT_EQ(turned.size(), values.size());
  EXPECT_EQ(parts_of(turned, 0), forward(*stage, keys, parts_of(values, 0)).values);
  EXPECT_EQ(parts_of(turned, 1), parts_of(values, 1));
  EXPECT_NE(parts_of(turned, 0), parts_of(values, 0));
}

TEST(Unrope, RefusesWhatItCannotTurn) {
  const auto stage = make_transform(unrope_row(), {});
  const auto& transform = dynamic_cast<const TransformStage&>(*stage);
  TransformCase on(4);
  ByteWriter writer;
  const auto narrow = transform.begin_encode(on.plane, 7, {}, writer);
  ASSERT_FALSE(narrow);
  EXPECT_EQ(narrow.error().code, ErrorCode::kInvalidArgument);
  on.shape.rope.radians_per_position = angles(9);
  EXPECT_FALSE(transform.begin_encode(on.plane, on.plane.columns(), {}, writer));
  on.shape.rope = {angles(8), 0.0, false};
  ByteReader reader({});
  EXPECT_FALSE(transform.begin_decode(on.plane, on.plane.columns(), reader));
}

}  // namespace
}  // namespace sluice::kernels
