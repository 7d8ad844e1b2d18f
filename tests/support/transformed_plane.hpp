// SPDX-License-Identifier: Apache-2.0
// A plane through one transform, in tiles, without a pipeline around it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/stages/stage.hpp"

namespace sluice::testing_support {

// Layers of heads with rows at chosen positions, and random values of it.
class TransformCase {
 public:
  kernels::CacheShape shape{
      .layers = 8, .kv_heads = 3, .head_dim = 16, .model_fingerprint = 1, .rope = {}};
  kernels::Plane plane;
  std::vector<std::int32_t> positions;

  explicit TransformCase(std::int64_t rows, std::int64_t heads = 3, std::int64_t head_dim = 16) {
    shape.kv_heads = heads;
    shape.head_dim = head_dim;
    positions.resize(static_cast<std::size_t>(rows));
    std::iota(positions.begin(), positions.end(), 0);
    plane.head_count = heads;
    refresh();
  }
  TransformCase(const TransformCase&) = delete;
  TransformCase& operator=(const TransformCase&) = delete;

  // After a change to `positions`.
  void refresh() {
    plane.shape = &shape;
    plane.positions = positions;
  }
  std::int64_t rows() const { return static_cast<std::int64_t>(positions.size()); }
  kernels::ConstMatrix view(const std::vector<float>& values) const {
    return {values.data(), rows(), plane.columns(), plane.columns()};
  }
  std::vector<float> normal_values(unsigned seed) const {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(rows() * plane.columns()));
    for (auto& value : values) value = normal(generator);
    return values;
  }
};

inline std::unique_ptr<kernels::Stage> make_transform(const kernels::StageRow& row,
                                                      const kernels::ParameterMap& values) {
  auto parameters = kernels::Parameters::parse(row.name, row.parameters, values);
  if (!parameters) {
    ADD_FAILURE() << parameters.error().message;
    return nullptr;
  }
  auto stage = row.create(*parameters);
  if (!stage) {
    ADD_FAILURE() << stage.error().message;
    return nullptr;
  }
  return std::move(*stage);
}

struct Transformed {
  std::vector<float> values;
  std::int64_t columns = 0;
  std::vector<std::byte> side;
};

// `tile`: rows at a time.
inline Transformed forward(const kernels::Stage& stage, const TransformCase& on,
                           const std::vector<float>& values, std::int64_t tile = 7) {
  const auto& transform = dynamic_cast<const kernels::TransformStage&>(stage);
  Transformed result;
  ByteWriter side;
  auto plan = transform.begin_encode(on.plane, on.plane.columns(), on.view(values), side);
  if (!plan) {
    ADD_FAILURE() << plan.error().message;
    return result;
  }
  result.columns = (*plan)->columns();
  result.side = side.take();
  result.values.resize(static_cast<std::size_t>(on.rows() * result.columns));
  for (std::int64_t row = 0; row < on.rows(); row += tile) {
    const std::int64_t count = std::min(tile, on.rows() - row);
    (*plan)->forward(
        row, {on.view(values).row(row), count, on.plane.columns(), on.plane.columns()},
        {result.values.data() + row * result.columns, count, result.columns, result.columns});
  }
  return result;
}

inline Result<std::vector<float>> try_inverse(const kernels::Stage& stage, const TransformCase& on,
                                              const Transformed& from, std::int64_t tile = 5) {
  const auto& transform = dynamic_cast<const kernels::TransformStage&>(stage);
  ByteReader side(from.side);
  auto plan = SLUICE_TRY(transform.begin_decode(on.plane, on.plane.columns(), side));
  EXPECT_EQ(plan->columns(), from.columns);
  EXPECT_EQ(side.remaining(), 0U);
  std::vector<float> values(static_cast<std::size_t>(on.rows() * on.plane.columns()));
  for (std::int64_t row = 0; row < on.rows(); row += tile) {
    const std::int64_t count = std::min(tile, on.rows() - row);
    plan->inverse(
        row, {from.values.data() + row * from.columns, count, from.columns, from.columns},
        {values.data() + row * on.plane.columns(), count, on.plane.columns(), on.plane.columns()});
  }
  return values;
}

inline std::vector<float> inverse(const kernels::Stage& stage, const TransformCase& on,
                                  const Transformed& from, std::int64_t tile = 5) {
  auto values = try_inverse(stage, on, from, tile);
  if (!values) {
    ADD_FAILURE() << values.error().message;
    return {};
  }
  return std::move(*values);
}

// The energy of the difference over the energy of `expected`.
inline double relative_energy(const std::vector<float>& expected, const std::vector<float>& got) {
  EXPECT_EQ(expected.size(), got.size());
  double lost = 0;
  double all = 1e-300;
  for (std::size_t i = 0; i < std::min(expected.size(), got.size()); ++i) {
    const double value = expected[i];
    lost += (value - got[i]) * (value - got[i]);
    all += value * value;
  }
  return lost / all;
}

}  // namespace sluice::testing_support
