// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/core/device.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/kv/kv_gather_device.hpp"

namespace sluice::kernels {
namespace {

constexpr std::int64_t kBlockTokens = 4;
constexpr std::int64_t kHeads = 3;
constexpr std::int64_t kDim = 5;
constexpr std::int64_t kBlocks = 3;
constexpr std::int64_t kStride = 12;  // two heads and a gap

// A value that says where it is, and that BF16 must round.
float value_at(std::int64_t plane, std::int64_t token, std::int64_t i) {
  return static_cast<float>(plane * 1000 + token * 10 + i) + 0.3F;
}

template <class Element>
Element element_of(float value) {
  return convert_element<Element>(value);
}
template <>
float element_of<float>(float value) {
  return value;
}

template <class Element>
struct Pages {
  std::vector<std::vector<Element>> blocks;
  std::vector<std::byte*> starts;

  Pages()
      : blocks(kBlocks,
               std::vector<Element>(static_cast<std::size_t>(2 * kHeads * kBlockTokens * kDim))) {
    for (auto& block : blocks) starts.push_back(reinterpret_cast<std::byte*>(block.data()));
  }
  Element& at(std::int64_t plane, std::int64_t token, std::int64_t i) {
    auto& block = blocks[static_cast<std::size_t>(token / kBlockTokens)];
    return block[static_cast<std::size_t>((plane * kBlockTokens + token % kBlockTokens) * kDim +
                                          i)];
  }
};

// V of heads 1 and 2, three tokens out of order.
template <class Page, class Row>
class Move {
 public:
  Move() {
    for (std::int64_t plane = 0; plane < 2 * kHeads; ++plane) {
      for (std::int64_t token = 0; token < kBlocks * kBlockTokens; ++token) {
        for (std::int64_t i = 0; i < kDim; ++i) {
          pages.at(plane, token, i) = element_of<Page>(value_at(plane, token, i));
        }
      }
    }
  }
  KvGatherTask task() {
    KvGatherTask result;
    result.blocks = pages.starts.data();
    result.block_tokens = kBlockTokens;
    result.head_dim = kDim;
    result.plane_first = kHeads + 1;
    result.heads = 2;
    result.rows = tokens.data();
    result.row_count = 3;
    result.matrix = matrix.data();
    result.stride = kStride;
    result.pages_are_f32 = sizeof(Page) == 4;
    result.matrix_is_f32 = sizeof(Row) == 4;
    return result;
  }

  std::vector<std::int32_t> tokens{11, 0, 6};
  Pages<Page> pages;
  std::vector<Row> matrix = std::vector<Row>(3 * kStride, element_of<Row>(-1.0F));
};

template <class Page, class Row>
void expect_rows_there_and_back() {
  const auto queue = make_host_queue();
  Move<Page, Row> move;
  ASSERT_TRUE(gather_kv_on(*queue, move.task()));
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::int64_t c = 0; c < 2 * kDim; ++c) {
      const Page from = move.pages.at(kHeads + 1 + c / kDim, move.tokens[row], c % kDim);
      EXPECT_EQ(move.matrix[row * kStride + static_cast<std::size_t>(c)],
                convert_element<Row>(from));
    }
    for (std::size_t c = 2 * kDim; c < kStride; ++c) {
      EXPECT_EQ(move.matrix[row * kStride + c], element_of<Row>(-1.0F));
    }
  }
  // Doubled and scattered: those runs change, and nothing else.
  Move<Page, Row> target;
  for (Row& value : move.matrix) value = element_of<Row>(7.0F);
  KvGatherTask task = move.task();
  task.blocks = target.pages.starts.data();
  ASSERT_TRUE(scatter_kv_on(*queue, task));
  for (std::int64_t plane = 0; plane < 2 * kHeads; ++plane) {
    for (std::int64_t token = 0; token < kBlocks * kBlockTokens; ++token) {
      const bool is_written = plane > kHeads && (token == 11 || token == 0 || token == 6);
      for (std::int64_t i = 0; i < kDim; ++i) {
        const float expected = is_written ? 7.0F : value_at(plane, token, i);
        EXPECT_EQ(target.pages.at(plane, token, i), element_of<Page>(expected));
      }
    }
  }
}

TEST(KvGather, MovesChosenRowsOfChosenHeads) {
  expect_rows_there_and_back<std::uint16_t, float>();
  expect_rows_there_and_back<std::uint16_t, std::uint16_t>();
  expect_rows_there_and_back<float, float>();
  expect_rows_there_and_back<float, std::uint16_t>();
}

TEST(KvGather, SaysWhichRunsAreNotFinite) {
  const auto queue = make_host_queue();
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    Move<std::uint16_t, float> move;
    move.pages.at(kHeads + 2, 0, 4) = bf16_from_f32(bad);
    move.pages.at(kHeads, 11, 0) = bf16_from_f32(bad);  // a head that is not asked for
    std::vector<std::uint8_t> flags(6, 9);
    KvGatherTask task = move.task();
    task.not_finite = flags.data();
    ASSERT_TRUE(gather_kv_on(*queue, task));
    EXPECT_EQ(flags, (std::vector<std::uint8_t>{0, 0, 0, 1, 0, 0}));
  }
}

TEST(ConvertRows, RoundToNearestEven) {
  const auto queue = make_host_queue();
  const std::vector<float> rows{1.0F, 0x1.01p0F, 0x1.03p0F, -0x1.01p0F, 3.0F, 0.0F};
  std::vector<std::uint16_t> rounded(6);
  ASSERT_TRUE(round_rows_on(*queue, {rows.data(), rounded.data(), 3}, 2));
  EXPECT_EQ(rounded, (std::vector<std::uint16_t>{0x3f80, 0x3f80, 0x3f82, 0xbf80, 0x4040, 0}));
  std::vector<float> expanded(6);
  ASSERT_TRUE(expand_rows_on(*queue, {rounded.data(), expanded.data(), 3}, 2));
  EXPECT_EQ(expanded, (std::vector<float>{1.0F, 1.0F, 0x1.04p0F, -1.0F, 3.0F, 0.0F}));
}

TEST(KvGather, WithoutCudaTheLaunchersSaySo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "a build with CUDA";
  EXPECT_EQ(gather_kv_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(scatter_kv_on_cuda({}, nullptr).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(round_rows_on_cuda({}, 0, nullptr).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(expand_rows_on_cuda({}, 0, nullptr).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
