// SPDX-License-Identifier: Apache-2.0
// A prompt's cache of which some layers are quantized and the others are as prefill left them: row
// for row what frames of such a pipeline would bring, since each layer is coded apart from others.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "runtime/codec/cache_file.hpp"

namespace sluice::runtime {

enum class QuantizedPart : std::uint8_t { kNone, kKey, kValue, kBoth };

// By layer: what of it is quantized.
using LayerMix = std::vector<QuantizedPart>;

// Round to nearest, a scale for every 32 channels of a token: the preset int4's stages at any bits.
kernels::PipelineSpec layer_quantizer(int bits);

// What all layers are after `pipeline`'s frames, and how many bytes these are. The pipeline keeps
// all tokens and has a frame for each layer.
struct QuantizedCache {
  DumpedCache cache;
  std::int64_t frame_bytes = 0;
};
Result<QuantizedCache> quantize_cache(const DumpedCache& exact, const kernels::Pipeline& pipeline);

// One thread's mixed cache of one prompt. Borrows both caches, which are alike.
class MixedCache {
 public:
  MixedCache(const DumpedCache& exact, const DumpedCache& quantized);

  // Copies only what differs from the last mix. Valid until the next call.
  const DumpedCache& set(const LayerMix& mix);

 private:
  void copy_half(std::int64_t layer, bool is_key, bool is_quantized);

  const DumpedCache& exact_;
  const DumpedCache& quantized_;
  DumpedCache mixed_;
  LayerMix mix_;
};

}  // namespace sluice::runtime
