// SPDX-License-Identifier: Apache-2.0
// A plane of any width through one quantizer, in tiles, without a pipeline around it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/stages/stage.hpp"

namespace sluice::testing_support {

using kernels::CacheShape;
using kernels::ConstMatrix;
using kernels::KvHalf;
using kernels::ParameterMap;
using kernels::Parameters;
using kernels::Plane;
using kernels::QuantizeStage;
using kernels::Stage;
using kernels::StageRow;
using kernels::SymbolShape;

inline std::unique_ptr<Stage> make_stage(const StageRow& row, const ParameterMap& values) {
  auto parameters = Parameters::parse(row.name, row.parameters, values);
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

// One head as wide as the plane; position i is row i.
class TestPlane {
 public:
  TestPlane(std::int64_t rows, std::int64_t columns, KvHalf half = KvHalf::kKey,
            std::uint8_t level = 1)
      : shape_{.layers = 1, .kv_heads = 1, .head_dim = columns, .model_fingerprint = 1, .rope = {}},
        positions_(static_cast<std::size_t>(rows)) {
    std::iota(positions_.begin(), positions_.end(), 0);
    plane_.shape = &shape_;
    plane_.head_count = 1;
    plane_.half = half;
    plane_.level = level;
    plane_.positions = positions_;
  }
  TestPlane(const TestPlane&) = delete;
  TestPlane& operator=(const TestPlane&) = delete;

  // Borrowed, calibrated under the name `tables`.
  void set_profile(const kernels::Profile& profile, std::string_view tables) {
    plane_.profile = &profile;
    plane_.tables = tables;
  }
  const Plane& plane() const { return plane_; }
  void use_profile(const kernels::Profile* profile) { plane_.profile = profile; }
  std::int64_t rows() const { return static_cast<std::int64_t>(positions_.size()); }
  std::int64_t columns() const { return shape_.head_dim; }

 private:
  CacheShape shape_;
  std::vector<std::int32_t> positions_;
  Plane plane_;
};

struct Coded {
  std::vector<std::uint8_t> symbols;
  std::vector<std::byte> head;  // written by begin_encode
  std::vector<std::byte> side;
  SymbolShape shape;
};

// `tile`: rows at a time.
inline Coded encode_plane(const Stage& stage, const TestPlane& on, const std::vector<float>& values,
                          std::int64_t tile) {
  const auto& quantize = dynamic_cast<const QuantizeStage&>(stage);
  const std::int64_t columns = on.columns();
  const ConstMatrix all{values.data(), on.rows(), columns, columns};
  ByteWriter head;
  auto plan = quantize.begin_encode(on.plane(), columns, all, head);
  Coded coded;
  if (!plan) {
    ADD_FAILURE() << plan.error().message;
    return coded;
  }
  coded.head = head.take();
  coded.shape = (*plan)->symbols();
  for (std::int64_t row = 0; row < on.rows(); row += tile) {
    const std::int64_t count = std::min(tile, on.rows() - row);
    std::vector<std::uint8_t> symbols(
        static_cast<std::size_t>(coded.shape.symbol_rows(count)) * coded.shape.bits.size(), 99);
    std::vector<std::byte> side((*plan)->side_bytes_max(count));
    const std::size_t used =
        (*plan)->encode(row, {all.row(row), count, columns, columns}, symbols.data(), side.data());
    EXPECT_LE(used, side.size());
    side.resize(used);
    coded.symbols.insert(coded.symbols.end(), symbols.begin(), symbols.end());
    coded.side.insert(coded.side.end(), side.begin(), side.end());
  }
  for (std::size_t i = 0; i < coded.symbols.size(); ++i) {
    EXPECT_LT(coded.symbols[i], 1 << coded.shape.bits[i % coded.shape.bits.size()]);
  }
  return coded;
}

inline Result<std::vector<float>> try_decode_plane(const Stage& stage, const TestPlane& on,
                                                   const Coded& coded) {
  const auto& quantize = dynamic_cast<const QuantizeStage&>(stage);
  ByteReader head(coded.head);
  auto plan = SLUICE_TRY(quantize.begin_decode(on.plane(), on.columns(), head));
  std::vector<float> values(static_cast<std::size_t>(on.rows() * on.columns()));
  const auto used = SLUICE_TRY(plan->decode(
      0, coded.symbols.data(), coded.side, {values.data(), on.rows(), on.columns(), on.columns()}));
  EXPECT_EQ(used, coded.side.size());
  EXPECT_EQ(head.remaining(), 0U);
  return values;
}

inline std::vector<float> decode_plane(const Stage& stage, const TestPlane& on,
                                       const Coded& coded) {
  auto values = try_decode_plane(stage, on, coded);
  if (values) return std::move(*values);
  ADD_FAILURE() << values.error().message;
  return {};
}

inline double rms_error(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    sum += (double{a[i]} - double{b[i]}) * (double{a[i]} - double{b[i]});
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

}  // namespace sluice::testing_support
