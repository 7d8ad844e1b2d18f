// SPDX-License-Identifier: Apache-2.0
#include "kernels/elementwise/kv_pages.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <tuple>
#include <vector>

#include "tests/kernels/elementwise/test_rows.hpp"

namespace sluice::kernels {
namespace {

constexpr std::int64_t kBlockTokens = 32;
constexpr std::int64_t kHeads = 2;
constexpr std::int64_t kDim = 24;
constexpr std::int64_t kTokens = 75;  // two blocks and a part

float element(const std::byte* at, DType dtype) {
  if (dtype == DType::kF32) {
    float value;
    std::memcpy(&value, at, sizeof value);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return f32_from_bf16(bits);
}

float rounded(double value, DType dtype) {
  const auto narrow = static_cast<float>(value);
  return dtype == DType::kF32 ? narrow : f32_from_bf16(bf16_from_f32(narrow));
}

// Pages of `dtype` filled by store_kv() from activations of the first parameter's type, in two
// chunks. Unwritten memory is NaN, as what an earlier sequence left there may be.
class KvPagesTest : public ::testing::TestWithParam<std::tuple<DType, DType, DType>> {
 protected:
  KvPagesTest()
      : dtype_(std::get<1>(GetParam())),
        to_(std::get<2>(GetParam())),
        k_(kTokens, kHeads * kDim, std::get<0>(GetParam()), 1),
        v_(kTokens, kHeads * kDim, std::get<0>(GetParam()), 2) {
    const std::size_t block_bytes =
        static_cast<std::size_t>(2 * kHeads * kBlockTokens * kDim) * dtype_block_bytes(dtype_);
    memory_.assign(3 * block_bytes, std::byte{0xff});
    starts_ = {memory_.data() + 2 * block_bytes, memory_.data(), memory_.data() + block_bytes};
    pages_ = {starts_, kBlockTokens, kHeads, kDim, dtype_block_bytes(dtype_)};
    store_kv(pages_, {0, 40, k_.view(), v_.view()});
    store_kv(pages_, {40, kTokens - 40, from(k_, 40), from(v_, 40)});
  }

  static ConstRows from(TestRows& rows, std::int64_t row) {
    const Rows all = rows.view();
    return {static_cast<std::byte*>(all.data) +
                row * all.stride * static_cast<std::int64_t>(dtype_block_bytes(all.dtype)),
            all.dtype, all.stride};
  }
  double expected(bool is_value, std::int64_t head, std::int64_t token, std::int64_t i) const {
    return rounded((is_value ? v_ : k_).at(token, head * kDim + i), dtype_);
  }

  DType dtype_;
  DType to_;
  TestRows k_;
  TestRows v_;
  std::vector<std::byte> memory_;
  std::vector<std::byte*> starts_;
  KvPages pages_;
};

TEST_P(KvPagesTest, StoredWhereTheLayoutSays) {
  const auto bytes = static_cast<std::int64_t>(dtype_block_bytes(dtype_));
  for (std::int64_t token = 0; token < kTokens; ++token) {
    for (std::int64_t head = 0; head < kHeads; ++head) {
      for (std::int64_t i = 0; i < kDim; ++i) {
        const std::byte* block = starts_[static_cast<std::size_t>(token / kBlockTokens)];
        const std::int64_t row = head * kBlockTokens + token % kBlockTokens;
        const std::int64_t value_row = row + kHeads * kBlockTokens;
        ASSERT_EQ(element(block + (row * kDim + i) * bytes, dtype_),
                  expected(false, head, token, i));
        ASSERT_EQ(element(block + (value_row * kDim + i) * bytes, dtype_),
                  expected(true, head, token, i));
      }
    }
  }
}

TEST_P(KvPagesTest, GatherGivesHeadsOfTokens) {
  for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
    std::vector<std::byte> out(static_cast<std::size_t>(kHeads * kTokens * kDim) *
                               dtype_block_bytes(to_));
    gather_kv(pages_, half, kTokens, {out.data(), to_, kDim});
    std::size_t at = 0;
    for (std::int64_t head = 0; head < kHeads; ++head) {
      for (std::int64_t token = 0; token < kTokens; ++token) {
        for (std::int64_t i = 0; i < kDim; ++i, at += dtype_block_bytes(to_)) {
          ASSERT_EQ(element(out.data() + at, to_),
                    rounded(expected(half == KvHalf::kValue, head, token, i), to_));
        }
      }
    }
  }
}

TEST_P(KvPagesTest, PanelsHoldKeysTransposedAndValuesPadded) {
  constexpr std::int64_t kPanel = 64;
  constexpr std::int64_t kPadded = 128;
  const std::size_t bytes = dtype_block_bytes(to_);
  const auto elements = static_cast<std::size_t>(kHeads * kPadded * kDim);
  std::vector<std::byte> keys(elements * bytes, std::byte{0xff});
  std::vector<std::byte> values(elements * bytes, std::byte{0xff});
  pack_kv_panels(pages_, kTokens, {to_, kPanel, keys.data(), values.data()});
  const std::int64_t pair = to_ == DType::kBF16 ? 2 : 1;  // of the summed axis, interleaved
  for (std::int64_t head = 0; head < kHeads; ++head) {
    for (std::int64_t token = 0; token < kPadded; ++token) {
      for (std::int64_t i = 0; i < kDim; ++i) {
        const std::int64_t key = head * kPadded * kDim + token / kPanel * kPanel * kDim +
                                 i / pair * kPanel * pair + token % kPanel * pair + i % pair;
        const std::int64_t value =
            head * kPadded * kDim + token / pair * pair * kDim + i * pair + token % pair;
        const float v = element(values.data() + static_cast<std::size_t>(value) * bytes, to_);
        if (token >= kTokens) {
          ASSERT_EQ(v, 0.0F) << token;
          continue;
        }
        ASSERT_EQ(v, rounded(expected(true, head, token, i), to_)) << token << ' ' << i;
        ASSERT_EQ(element(keys.data() + static_cast<std::size_t>(key) * bytes, to_),
                  rounded(expected(false, head, token, i), to_))
            << token << ' ' << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, KvPagesTest,
                         ::testing::Combine(::testing::Values(DType::kF32, DType::kBF16),
                                            ::testing::Values(DType::kF32, DType::kBF16),
                                            ::testing::Values(DType::kF32, DType::kBF16)));

}  // namespace
}  // namespace sluice::kernels
