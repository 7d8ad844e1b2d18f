// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/core/device.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/kv/kv_rows_device.hpp"

namespace sluice::kernels {
namespace {

constexpr std::int64_t kBlockTokens = 4;
constexpr std::int64_t kHeads = 3;
constexpr std::int64_t kDim = 5;
constexpr std::int64_t kTokens = 11;  // the last page is part full
constexpr std::int64_t kPageElements = 2 * kHeads * kBlockTokens * kDim;
constexpr std::int64_t kRowElements = 2 * kHeads * kDim;

// A value that says where it is, and that BF16 must round.
float value_at(std::int64_t plane, std::int64_t token, std::int64_t i) {
  return static_cast<float>(plane * 1000 + token * 10 + i) + 0.3F;
}

template <class Element>
struct Pages {
  std::vector<std::vector<Element>> pages;
  std::vector<std::byte*> starts;

  Pages() : pages(3, std::vector<Element>(kPageElements)) {
    for (auto& page : pages) starts.push_back(reinterpret_cast<std::byte*>(page.data()));
  }
  // By the layout as the header words it, not by the body's arithmetic.
  Element& at(std::int64_t plane, std::int64_t token, std::int64_t i) {
    auto& page = pages[static_cast<std::size_t>(token / kBlockTokens)];
    auto* element = page.data();
    element += plane * (kBlockTokens * kDim);
    element += (token % kBlockTokens) * kDim;
    return element[i];
  }
};

KvRowsTask task_of(const std::vector<std::byte*>& pages, std::vector<std::uint16_t>& rows,
                   std::int64_t first, std::int64_t last) {
  return {.pages = pages.data(),
          .rows = reinterpret_cast<std::byte*>(rows.data()),
          .block_tokens = kBlockTokens,
          .kv_heads = kHeads,
          .head_dim = kDim,
          .first_token = first,
          .last_token = last};
}

TEST(KvRows, PackingTakesEachTokensPlanesInOrder) {
  Pages<std::uint16_t> pages;
  for (std::int64_t plane = 0; plane < 2 * kHeads; ++plane) {
    for (std::int64_t token = 0; token < kTokens; ++token) {
      for (std::int64_t i = 0; i < kDim; ++i) {
        pages.at(plane, token, i) = bf16_from_f32(value_at(plane, token, i));
      }
    }
  }
  // From the middle of a page to the middle of another.
  std::vector<std::uint16_t> rows(static_cast<std::size_t>(kRowElements * 7));
  const KvRowsTask task = task_of(pages.starts, rows, 2, 9);
  ASSERT_TRUE(move_kv_rows_on_host(task, KvRowsDirection::kPack));
  std::size_t next = 0;
  for (std::int64_t token = 2; token < 9; ++token) {
    for (std::int64_t plane = 0; plane < 2 * kHeads; ++plane) {
      for (std::int64_t i = 0; i < kDim; ++i) {
        ASSERT_EQ(rows[next++], bf16_from_f32(value_at(plane, token, i))) << token << ' ' << plane;
      }
    }
  }

  // And back into empty pages: the same elements there, and nothing elsewhere.
  Pages<std::uint16_t> back;
  KvRowsTask back_task = task;
  back_task.pages = back.starts.data();
  ASSERT_TRUE(move_kv_rows_on_host(back_task, KvRowsDirection::kUnpack));
  for (std::int64_t plane = 0; plane < 2 * kHeads; ++plane) {
    for (std::int64_t token = 0; token < kTokens; ++token) {
      for (std::int64_t i = 0; i < kDim; ++i) {
        const std::uint16_t expected = token >= 2 && token < 9 ? pages.at(plane, token, i) : 0;
        ASSERT_EQ(back.at(plane, token, i), expected) << token << ' ' << plane;
      }
    }
  }
}

TEST(KvRows, Fp32PagesAreRoundedOnceAndComeBackRounded) {
  Pages<float> pages;
  for (std::int64_t plane = 0; plane < 2 * kHeads; ++plane) {
    for (std::int64_t i = 0; i < kDim; ++i) pages.at(plane, 5, i) = value_at(plane, 5, i);
  }
  std::vector<std::uint16_t> rows(static_cast<std::size_t>(kRowElements));
  KvRowsTask task = task_of(pages.starts, rows, 5, 6);
  task.pages_are_f32 = true;
  ASSERT_TRUE(move_kv_rows_on_host(task, KvRowsDirection::kPack));
  EXPECT_EQ(rows[1], bf16_from_f32(value_at(0, 5, 1)));
  ASSERT_TRUE(move_kv_rows_on_host(task, KvRowsDirection::kUnpack));
  EXPECT_EQ(pages.at(4, 5, 2), f32_from_bf16(bf16_from_f32(value_at(4, 5, 2))));
}

TEST(KvRows, WrongSizesAreNamed) {
  std::vector<std::uint16_t> rows;
  KvRowsTask task = task_of({}, rows, 3, 2);
  EXPECT_FALSE(move_kv_rows_on_host(task, KvRowsDirection::kPack));
  task = task_of({}, rows, 0, 0);
  EXPECT_TRUE(move_kv_rows_on_host(task, KvRowsDirection::kPack));
  task.head_dim = 0;
  EXPECT_FALSE(move_kv_rows_on_host(task, KvRowsDirection::kPack));
}

TEST(KvRows, ABuildWithoutCudaSaysSo) {
  if (is_built_with_cuda()) GTEST_SKIP() << "this build has CUDA";
  std::vector<std::uint16_t> rows;
  const Status status =
      move_kv_rows_on_cuda(task_of({}, rows, 0, 0), KvRowsDirection::kPack, nullptr);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sluice::kernels
