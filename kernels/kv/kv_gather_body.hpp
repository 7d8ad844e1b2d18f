// SPDX-License-Identifier: Apache-2.0
// Chosen rows of some heads between pages and a matrix, for both blocks. One block of lanes per run
// of head_dim elements: a token's K or V of one head.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/core/block.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/kv/kv_rows_body.hpp"

namespace sluice::kernels {

// One layer's part of a tile. All pointers are borrowed and of the memory where the task runs; the
// caller has checked that the blocks reach every row. Element types: FP32, or BF16 as its bits.
struct KvGatherTask {
  std::byte* const* blocks = nullptr;  // [K, V][kv_heads][block_tokens][head_dim]
  std::int64_t block_tokens = 0;
  std::int64_t head_dim = 0;
  std::int64_t plane_first = 0;  // of the first head: K's number, or kv_heads + V's number
  std::int64_t heads = 0;
  const std::int32_t* rows = nullptr;  // [row_count]: the tokens
  std::int64_t row_count = 0;
  void* matrix = nullptr;  // [row_count][stride]: the first head's first column
  std::int64_t stride = 0;
  bool pages_are_f32 = false;
  bool matrix_is_f32 = false;
  // Gathering: 1 where a run holds a NaN or an infinity, else 0; [row_count][heads]. May be null.
  std::uint8_t* not_finite = nullptr;

  std::int64_t grid() const { return row_count * heads; }
};

// Where the run of a block of lanes is, in the pages and in the matrix.
template <class Page, class Row>
struct KvRun {
  Page* page;
  Row* row;

  SLUICE_HOST_DEVICE KvRun(const KvGatherTask& task, std::int64_t index) {
    const std::int64_t i = index / task.heads;
    const std::int64_t head = index % task.heads;
    const std::int64_t token = task.rows[i];
    const std::int64_t plane = task.plane_first + head;
    page = reinterpret_cast<Page*>(task.blocks[token / task.block_tokens]) +
           (plane * task.block_tokens + token % task.block_tokens) * task.head_dim;
    row = static_cast<Row*>(task.matrix) + i * task.stride + head * task.head_dim;
  }
};

SLUICE_HOST_DEVICE inline bool is_finite_element(float value) {
  return (std::bit_cast<std::uint32_t>(value) & 0x7f800000U) != 0x7f800000U;
}
SLUICE_HOST_DEVICE inline bool is_finite_element(std::uint16_t bf16) {
  return (bf16 & 0x7f80U) != 0x7f80U;
}

template <class Page, class Row>
struct GatherKvBody {
  KvGatherTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const KvRun<const Page, Row> run(task, block.index());
    const Page* page = run.page;
    Row* row = run.row;
    block.each(task.head_dim,
               [page, row](std::int64_t i) { row[i] = convert_element<Row>(page[i]); });
    if (task.not_finite == nullptr) return;
    const float bad = block.reduce_max(task.head_dim, 0.0F, [page](std::int64_t i) {
      return is_finite_element(page[i]) ? 0.0F : 1.0F;
    });
    std::uint8_t* flag = task.not_finite + block.index();
    block.each(1, [flag, bad](std::int64_t) { *flag = bad > 0.0F ? 1 : 0; });
  }
};

template <class Page, class Row>
struct ScatterKvBody {
  KvGatherTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const KvRun<Page, const Row> run(task, block.index());
    Page* page = run.page;
    const Row* row = run.row;
    block.each(task.head_dim,
               [page, row](std::int64_t i) { page[i] = convert_element<Page>(row[i]); });
  }
};

// A matrix without gaps between FP32 and BF16. Grid: rows.
template <class From, class To>
struct ConvertRowsBody {
  const From* from;
  To* to;
  std::int64_t columns;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const From* in = from + block.index() * columns;
    To* out = to + block.index() * columns;
    block.each(columns, [in, out](std::int64_t i) { out[i] = convert_element<To>(in[i]); });
  }
};

// Calls run(body) with the body for the task's element types.
template <template <class, class> class Body, class Run>
auto with_kv_gather_body(const KvGatherTask& task, Run run) {
  if (task.pages_are_f32) {
    return task.matrix_is_f32 ? run(Body<float, float>{task})
                              : run(Body<float, std::uint16_t>{task});
  }
  return task.matrix_is_f32 ? run(Body<std::uint16_t, float>{task})
                            : run(Body<std::uint16_t, std::uint16_t>{task});
}

}  // namespace sluice::kernels
