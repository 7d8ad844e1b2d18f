// SPDX-License-Identifier: Apache-2.0
// The attention mass of a block of keys, for both blocks. One block per KV head and 32 keys.
#pragma once

#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/core/dtype.hpp"
#include "kernels/stages/select/attention_mass.hpp"

namespace sluice::kernels {

// 2^x for x in [-126, 127], clamped below: as in elementwise/vector-inl.h, without fused products.
SLUICE_HOST_DEVICE inline float exp2_of(float x) {
  if (!(x > -126.0F)) x = -126.0F;
  if (x > 126.0F) x = 126.0F;
  // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even.
  const float whole = (x + 12582912.0F) - 12582912.0F;
  const float f = x - whole;
  float p = 1.5403530393381609e-4F;
  p = p * f + 1.3333558146428443e-3F;
  p = p * f + 9.6181291076284772e-3F;
  p = p * f + 5.5504108664821580e-2F;
  p = p * f + 2.4022650695910072e-1F;
  p = p * f + 6.9314718055994531e-1F;
  p = p * f + 1.0F;
  const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(whole) + 127) << 23;
  return p * std::bit_cast<float>(exponent);
}

// Page: the pages' element type; std::uint16_t stands for BF16 bits. Lane l owns key l of the
// block: it walks over all queries, so that sums need no other lane.
template <class Page>
struct AttentionMassBody {
  AttentionMassTask task;
  float scale_log2;  // log2(e) / sqrt(head_dim)

  SLUICE_HOST_DEVICE std::int64_t key_blocks() const {
    return (task.last_token + kBlockLanes - 1) / kBlockLanes;
  }
  SLUICE_HOST_DEVICE std::int64_t grid() const { return task.kv_heads * key_blocks(); }

  SLUICE_HOST_DEVICE static float element(float value) { return value; }
  SLUICE_HOST_DEVICE static float element(std::uint16_t bits) { return f32_from_bf16(bits); }

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const std::int64_t kv_head = block.index() / key_blocks();
    const std::int64_t first_key = block.index() % key_blocks() * kBlockLanes;
    const std::int64_t group = task.heads / task.kv_heads;
    block.each(kBlockLanes, [=, this](std::int64_t lane) {
      const std::int64_t key = first_key + lane;
      if (key >= task.last_token) return;
      const auto* page = reinterpret_cast<const Page*>(task.pages[key / task.block_tokens]);
      const Page* k =
          page + (kv_head * task.block_tokens + key % task.block_tokens) * task.head_dim;
      float total = task.sum[kv_head * task.stride + key];
      const std::int64_t first = key < task.first_token ? task.first_token : key;
      for (std::int64_t token = first; token < task.last_token; ++token) {
        for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
          const std::int64_t row = (token - task.first_token) * task.heads + head;
          const float* q = task.queries + row * task.head_dim;
          float score = 0.0F;
          for (std::int64_t d = 0; d < task.head_dim; ++d) score += q[d] * element(k[d]);
          total += exp2_of(score * scale_log2 - task.lse[row] * 1.4426950408889634F);
        }
      }
      task.sum[kv_head * task.stride + key] = total;
    });
  }
};

// Calls run(grid, body) with the body that `task` asks for. `root`: sqrt(head_dim), taken by the
// caller since device code is to see no libm.
template <class Run>
auto with_attention_mass_body(const AttentionMassTask& task, float root, Run run) {
  const float scale = 1.4426950408889634F / root;
  if (task.pages_are_f32) {
    const AttentionMassBody<float> body{task, scale};
    return run(body.grid(), body);
  } else {
    const AttentionMassBody<std::uint16_t> body{task, scale};
    return run(body.grid(), body);
  }
}

}  // namespace sluice::kernels
