// SPDX-License-Identifier: Apache-2.0
// Planes of symbols for the entropy tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/check.hpp"
#include "kernels/stages/stage.hpp"

namespace sluice::kernels {

struct TestPlane {
  SymbolShape shape;
  std::int64_t rows = 0;
  std::vector<std::uint8_t> symbols;

  std::size_t columns() const { return shape.bits.size(); }
};

// Columns with the bits given, each of its own context, rounded Gaussians around the middle whose
// deviation differs by column: a share of 0.05 to 0.3 of the range.
inline TestPlane gaussian_plane(std::int64_t rows, std::vector<std::uint8_t> bits, unsigned seed) {
  TestPlane plane;
  plane.rows = rows;
  plane.shape.bits = std::move(bits);
  std::mt19937 generator(seed);
  const std::size_t columns = plane.columns();
  plane.symbols.resize(static_cast<std::size_t>(rows) * columns);
  for (std::size_t column = 0; column < columns; ++column) {
    plane.shape.context.push_back(static_cast<std::uint16_t>(column));
    const float top = static_cast<float>((1 << plane.shape.bits[column]) - 1);
    const float share = 0.05F + 0.25F * static_cast<float>(column % 7) / 7.0F;
    std::normal_distribution<float> value(top * 0.5F, std::max(top * share, 0.01F));
    for (std::int64_t row = 0; row < rows; ++row) {
      plane.symbols[static_cast<std::size_t>(row) * columns + column] =
          static_cast<std::uint8_t>(std::clamp(std::rint(value(generator)), 0.0F, top));
    }
  }
  return plane;
}

inline std::vector<std::uint8_t> same_bits(std::size_t columns, std::uint8_t bits) {
  return std::vector<std::uint8_t>(columns, bits);
}

// The plane's place in a model: 2 layers, 4 heads of 8.
class TestPlace {
 public:
  explicit TestPlace(const Profile* profile = nullptr) {
    shape_.layers = 2;
    shape_.kv_heads = 4;
    shape_.head_dim = 8;
    plane.shape = &shape_;
    plane.profile = profile;
    plane.tables = "test";
    plane.head_count = 4;
  }
  TestPlace(const TestPlace&) = delete;
  TestPlace& operator=(const TestPlace&) = delete;

  Plane plane;

 private:
  CacheShape shape_;
};

inline std::unique_ptr<EntropyStage> make_entropy_stage(const StageRow& row,
                                                        const std::string& tables) {
  const ParameterMap values = {{"tables", tables}};
  auto stage = row.create(Parameters::parse(row.name, row.parameters, values).value()).value();
  SLUICE_CHECK(stage->role() == StageRole::kEntropy, "not an entropy stage");
  return std::unique_ptr<EntropyStage>(static_cast<EntropyStage*>(stage.release()));
}

inline std::vector<std::byte> encoded(const EntropyStage& stage, const Plane& place,
                                      const TestPlane& plane) {
  ByteWriter out;
  stage.encode(place, plane.shape, plane.rows, plane.symbols.data(), out).value();
  return out.take();
}

// What calibrating on these symbols gives.
inline Profile calibrated(const EntropyStage& stage, const Plane& place, const TestPlane& plane) {
  Profile profile;
  const std::vector<float> values(plane.symbols.begin(), plane.symbols.end());
  const auto columns = static_cast<std::int64_t>(plane.columns());
  const auto calibration = stage.calibration();
  calibration->observe(place, {values.data(), plane.rows, columns, columns}).value();
  calibration->finish(profile).value();
  return profile;
}

}  // namespace sluice::kernels
