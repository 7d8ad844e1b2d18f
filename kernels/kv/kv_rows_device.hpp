// SPDX-License-Identifier: Apache-2.0
// Packing KV pages into rows for the wire where the pages are: on the GPU, or on the CPU by the
// same body.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/result.hpp"

namespace sluice::kernels {

// One layer's pages and the rows of its tokens [first_token, last_token). All pointers are borrowed
// and of the memory where the task runs (for CUDA: device memory, `pages` itself included).
//   page: [K, V][kv_heads][block_tokens][head_dim], BF16 or FP32
//   row:  [K, V][kv_heads][head_dim], BF16; the row of first_token is the first
struct KvRowsTask {
  std::byte* const* pages = nullptr;  // of tokens 0..block_tokens-1, and so on
  std::byte* rows = nullptr;
  std::int64_t block_tokens = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  bool pages_are_f32 = false;  // packing then rounds to nearest even
};

enum class KvRowsDirection : std::uint8_t { kPack, kUnpack };

// kInvalidArgument names what is wrong with the sizes; pointers are the caller's promise.
Status check_kv_rows(const KvRowsTask& task);

// On the calling thread.
Status move_kv_rows_on_host(const KvRowsTask& task, KvRowsDirection direction);

// Queued on `stream` (a cudaStream_t; nullptr is the default one); returns at once. kUnsupported in
// a build without CUDA, kInternal with CUDA's words when the launch fails.
Status move_kv_rows_on_cuda(const KvRowsTask& task, KvRowsDirection direction, void* stream);

}  // namespace sluice::kernels
