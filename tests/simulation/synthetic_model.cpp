// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/synthetic_model.hpp"

#include <cmath>

#include "kernels/pipeline/frame.hpp"
#include "runtime/decode/finish_after.hpp"
#include "runtime/frames/kv_pages.hpp"

namespace sluice::tests {

using runtime::kKvBlockTokens;
using runtime::KvBlockId;
using runtime::KvPool;
using runtime::TokenId;

namespace {

std::uint64_t mix(std::uint64_t value) {  // the finalizer of splitmix64
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

std::uint64_t hash_of(std::span<const TokenId> prompt) {
  std::uint64_t hash = prompt.size();
  for (const TokenId token : prompt) hash = mix(hash + static_cast<std::uint64_t>(token) + 1);
  return hash;
}

// Calls visit(element index in a block of a layer, value) for each element of one position: a
// function of all tokens up to it. Values are multiples of 1/16, exact in BF16.
template <class Visit>
void visit_position(std::uint64_t prefix_hash, std::int64_t layer, std::int64_t row,
                    const Visit& visit) {
  const std::int64_t heads = kSyntheticShape.kv_heads;
  const std::int64_t dim = kSyntheticShape.head_dim;
  for (std::int64_t half_head = 0; half_head < 2 * heads; ++half_head) {
    std::uint64_t state = mix(prefix_hash + static_cast<std::uint64_t>(layer * 64 + half_head));
    const std::int64_t first = (half_head * kKvBlockTokens + row) * dim;
    for (std::int64_t i = 0; i < dim; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      visit(first + i, static_cast<float>(static_cast<std::int64_t>(state >> 56) - 128) / 16.0F);
    }
  }
}

// visit(layer, block, element, value) for all of a prompt.
template <class Visit>
void visit_prompt(std::span<const TokenId> prompt, const Visit& visit) {
  std::uint64_t prefix = 7;
  for (std::size_t position = 0; position < prompt.size(); ++position) {
    prefix = mix(prefix * 31 + static_cast<std::uint64_t>(prompt[position]));
    const std::size_t block = position / kKvBlockTokens;
    const auto row = static_cast<std::int64_t>(position % kKvBlockTokens);
    for (std::int64_t layer = 0; layer < kSyntheticShape.layers; ++layer) {
      visit_position(prefix, layer, row, [&](std::int64_t element, float value) {
        visit(layer, block, element, value);
      });
    }
  }
}

}  // namespace

kernels::CacheShape synthetic_cache_shape() {
  kernels::CacheShape shape;
  shape.layers = kSyntheticShape.layers;
  shape.kv_heads = kSyntheticShape.kv_heads;
  shape.head_dim = kSyntheticShape.head_dim;
  shape.model_fingerprint = 99;
  return shape;
}

runtime::PipelineSet& synthetic_pipelines() {
  static const auto pipelines =
      runtime::PipelineSet::create("raw", {.shape = synthetic_cache_shape(),
                                           .profile = nullptr,
                                           .presets = SLUICE_SOURCE_DIR "/configs/pipelines"})
          .value();
  return *pipelines;
}

TokenId synthetic_token(std::span<const TokenId> prompt, std::int64_t index) {
  const std::uint64_t hash = hash_of(prompt);
  if (index == static_cast<std::int64_t>(hash % 60)) return kSyntheticEnd;
  const std::uint64_t mixed = mix(hash + static_cast<std::uint64_t>(index));
  return static_cast<TokenId>(1 + mixed % (kSyntheticVocab - 1));
}

SyntheticAnswer synthetic_answer(const runtime::GenerateRequest& request) {
  SyntheticAnswer answer;
  const TokenId ends[] = {kSyntheticEnd};
  while (answer.finish == runtime::FinishReason::kNone) {
    const auto index = static_cast<std::int64_t>(answer.tokens.size());
    answer.tokens.push_back(synthetic_token(request.prompt, index));
    answer.finish = runtime::finish_after(answer.tokens.back(), index + 1, request.tokens_max,
                                          request.ignore_end, ends);
  }
  return answer;
}

void fill_pages(std::span<const TokenId> prompt, KvPool& pool, std::span<const KvBlockId> blocks,
                std::int64_t first_token) {
  const auto position_of = [](std::size_t block, std::int64_t element) {
    return static_cast<std::int64_t>(block) * kKvBlockTokens +
           element / kSyntheticShape.head_dim % kKvBlockTokens;
  };
  visit_prompt(
      prompt, [&](std::int64_t layer, std::size_t block, std::int64_t element, float value) {
        if (position_of(block, element) < first_token) return;
        auto* elements = reinterpret_cast<std::uint16_t*>(pool.block(layer, blocks[block]));
        elements[element] = bf16_from_f32(value);
      });
}

std::int64_t count_wrong(std::span<const TokenId> prompt, const KvPool& pool,
                         std::span<const KvBlockId> blocks, float tolerance) {
  std::int64_t wrong = 0;
  visit_prompt(prompt, [&](std::int64_t layer, std::size_t block, std::int64_t element,
                           float value) {
    const auto* elements = reinterpret_cast<const std::uint16_t*>(pool.block(layer, blocks[block]));
    const float found = f32_from_bf16(elements[element]);
    wrong += std::fabs(found - value) <= tolerance ? 0 : 1;
  });
  return wrong;
}

float tolerance_of(const std::string& pipeline) {
  // Half a step of 8 bits over 16 units is 0.03; BF16 rounds values below 8 by as much as 0.016.
  if (pipeline == "int8") return 0.08F;
  // Half a step of 4 bits is 0.53.
  return pipeline == "int4" ? 0.65F : 0.0F;
}

runtime::MadeFrame encode_frame(KvPool& pool, std::span<const KvBlockId> blocks,
                                std::shared_ptr<const kernels::Pipeline> pipeline,
                                const runtime::PlannedFrame& frame, MutableBytes memory) {
  static kernels::Scratch scratch;
  std::vector<runtime::PagesOfLayer> layers;
  std::vector<kernels::KvPages> pages;
  layers.reserve(static_cast<std::size_t>(frame.layer_count));
  for (std::int64_t i = 0; i < frame.layer_count; ++i) {
    layers.emplace_back(pool, blocks, frame.layer_first + i);
    pages.push_back(layers.back().view());
  }
  kernels::EncodeTask task;
  task.layer_first = frame.layer_first;
  task.pages = pages;
  task.first_token = frame.first_token;
  task.last_token = frame.last_token;
  const MutableBytes place = memory.subspan(frame.offset, frame.bytes_max);
  const auto report = pipeline->encode(task, place, scratch).value();
  const auto info = kernels::read_frame_info(Bytes(place).first(report.frame_bytes)).value();
  return {frame, report.frame_bytes, info.checksum, 0, std::move(pipeline)};
}

std::vector<runtime::MadeFrame> encode_frames(std::span<const TokenId> prompt,
                                              std::shared_ptr<const kernels::Pipeline> pipeline,
                                              const runtime::FramePlan& plan, MutableBytes memory) {
  const std::int64_t needed = runtime::kv_blocks_for(static_cast<std::int64_t>(prompt.size()));
  static const auto pool =
      KvPool::create(kSyntheticShape, runtime::kv_blocks_for(kSyntheticContext)).value();
  const auto blocks = pool->acquire(needed).value();
  fill_pages(prompt, *pool, blocks);
  std::vector<runtime::MadeFrame> made;
  for (const runtime::PlannedFrame& frame : plan.frames) {
    made.push_back(encode_frame(*pool, blocks, pipeline, frame, memory));
  }
  pool->release(blocks);
  return made;
}

}  // namespace sluice::tests
