// SPDX-License-Identifier: Apache-2.0
#include "kernels/linear/dequantize.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/core/bytes.hpp"

namespace sluice::kernels {
namespace {

struct Case {
  DType dtype;
  std::vector<std::uint8_t> bytes;
  std::vector<float> values;
};

DType dtype_by_name(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(DType::kQ6_K); ++i) {
    if (name == dtype_name(static_cast<DType>(i))) return static_cast<DType>(i);
  }
  ADD_FAILURE() << "no dtype " << name;
  return DType::kF32;
}

std::vector<Case> fixture() {
  std::ifstream file(SLUICE_SOURCE_DIR "/tests/kernels/linear/dequantize_fixture.bin",
                     std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<Case> cases;
  ByteReader reader(as_bytes(text));
  while (reader.remaining() > 0) {
    const DType dtype = dtype_by_name(reader.get_string().value());
    auto bytes = reader.get_array<std::uint8_t>().value();
    cases.push_back({dtype, std::move(bytes), reader.get_array<float>().value()});
  }
  return cases;
}

TensorView vector_of(const Case& one) {
  TensorView view{reinterpret_cast<const std::byte*>(one.bytes.data()), one.dtype, 1, {}};
  view.shape[0] = static_cast<std::int64_t>(one.values.size());
  return view;
}

TEST(Dequantize, EqualsTheGgufPackageBitForBit) {
  const auto cases = fixture();
  ASSERT_EQ(cases.size(), 9U);
  for (const Case& one : cases) {
    const TensorView view = vector_of(one);
    ASSERT_EQ(view.bytes(), one.bytes.size()) << dtype_name(one.dtype);
    std::vector<float> out(one.values.size(), -1.0F);
    dequantize(view, 0, 1, out.data());
    for (std::size_t i = 0; i < out.size(); ++i) {
      ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(one.values[i]))
          << dtype_name(one.dtype) << " element " << i;
    }
  }
}

TEST(Dequantize, StartsAtTheAskedRow) {
  for (const Case& one : fixture()) {
    TensorView view = vector_of(one);
    view.rank = 2;
    view.shape = {4, static_cast<std::int64_t>(one.values.size() / 4)};
    if (static_cast<std::size_t>(view.shape[1]) % dtype_block_elements(one.dtype) != 0) continue;
    const auto columns = static_cast<std::size_t>(view.shape[1]);
    std::vector<float> out(2 * columns);
    dequantize(view, 1, 2, out.data());
    EXPECT_EQ(0, std::memcmp(out.data(), one.values.data() + columns, out.size() * sizeof(float)))
        << dtype_name(one.dtype);
  }
}

TEST(DequantizeDeathTest, RefusesRowsOutsideTheTensor) {
  const Case one = fixture().at(0);
  std::vector<float> out(2 * one.values.size());
  EXPECT_DEATH(dequantize(vector_of(one), 1, 1, out.data()), "rows outside the tensor");
}

TEST(DequantizeDeathTest, RefusesIntegers) {
  Case one = fixture().at(0);
  one.dtype = DType::kI32;
  std::vector<float> out(one.values.size());
  EXPECT_DEATH(dequantize(vector_of(one), 0, 1, out.data()), "not a dtype of weights");
}

}  // namespace
}  // namespace sluice::kernels
