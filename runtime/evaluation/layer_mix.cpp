// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/layer_mix.hpp"

#include <cstring>
#include <utility>

#include "runtime/codec/coded_cache.hpp"

namespace sluice::runtime {
namespace {

bool has_key(QuantizedPart part) {
  return part == QuantizedPart::kKey || part == QuantizedPart::kBoth;
}
bool has_value(QuantizedPart part) {
  return part == QuantizedPart::kValue || part == QuantizedPart::kBoth;
}

}  // namespace

kernels::PipelineSpec layer_quantizer(int bits) {
  return {"int" + std::to_string(bits),
          "",
          {{"rtn", {{"bits", static_cast<double>(bits)}, {"group", 32.0}}}}};
}

Result<QuantizedCache> quantize_cache(const DumpedCache& exact, const kernels::Pipeline& pipeline) {
  const auto coded = SLUICE_TRY(encode_cache(exact, pipeline, {}, nullptr));
  auto decoded = SLUICE_TRY(decode_cache(coded, nullptr, nullptr));
  return QuantizedCache{std::move(decoded.cache), static_cast<std::int64_t>(coded.frames.size())};
}

MixedCache::MixedCache(const DumpedCache& exact, const DumpedCache& quantized)
    : exact_(exact),
      quantized_(quantized),
      mixed_(exact.shape(), exact.heads(), exact.tokens()),
      mix_(static_cast<std::size_t>(exact.shape().layers), QuantizedPart::kNone) {
  for (std::int64_t layer = 0; layer < exact.shape().layers; ++layer) {
    copy_half(layer, true, false);
    copy_half(layer, false, false);
  }
}

const DumpedCache& MixedCache::set(const LayerMix& mix) {
  for (std::size_t i = 0; i < mix_.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    if (has_key(mix[i]) != has_key(mix_[i])) copy_half(layer, true, has_key(mix[i]));
    if (has_value(mix[i]) != has_value(mix_[i])) copy_half(layer, false, has_value(mix[i]));
  }
  mix_ = mix;
  return mixed_;
}

void MixedCache::copy_half(std::int64_t layer, bool is_key, bool is_quantized) {
  const kernels::CacheShape& shape = mixed_.shape();
  // A block is K of all heads, then V, in BF16.
  const std::int64_t bytes = shape.kv_heads * shape.head_dim * mixed_.tokens() * 2;
  const std::int64_t offset = is_key ? 0 : bytes;
  const DumpedCache& from = is_quantized ? quantized_ : exact_;
  std::memcpy(mixed_.pages(layer).blocks[0] + offset, from.pages(layer).blocks[0] + offset,
              static_cast<std::size_t>(bytes));
}

}  // namespace sluice::runtime
