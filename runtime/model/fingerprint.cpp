// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/fingerprint.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstddef>

#include "kernels/core/bytes.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kSampleBytes = 256;

void put_rope(const RopeSpec& rope, ByteWriter& writer) {
  writer.put(rope.style);
  writer.put(rope.base);
  writer.put(rope.dims);
  writer.put(rope.scaling);
  writer.put(rope.factor);
  writer.put(rope.original_context);
  writer.put(rope.low_freq_factor);
  writer.put(rope.high_freq_factor);
  writer.put(rope.beta_fast);
  writer.put(rope.beta_slow);
  writer.put(rope.attention_factor);
}

void put_spec(const ModelSpec& spec, ByteWriter& writer) {
  writer.put_string(spec.architecture);
  for (const std::int64_t size : {spec.layers, spec.hidden, spec.heads, spec.kv_heads,
                                  spec.head_dim, spec.ffn, spec.vocab, spec.context_max}) {
    writer.put(size);
  }
  writer.put(spec.rms_epsilon);
  writer.put(spec.tied_embeddings);
  writer.put(spec.attention_bias);
  put_rope(spec.rope, writer);
}

// From the start, the middle and the end.
void put_samples(const TensorView& view, ByteWriter& writer) {
  const std::size_t bytes = view.bytes();
  const std::size_t sample = std::min(kSampleBytes, bytes);
  for (const std::size_t start : {std::size_t{0}, (bytes - sample) / 2, bytes - sample}) {
    writer.put_array(std::span(view.data + start, sample));
  }
}

}  // namespace

std::uint64_t fingerprint_of(const ModelSpec& spec, const WeightTable& weights) {
  ByteWriter writer;
  put_spec(spec, writer);
  for (const auto& [place, view] : weights.all()) {
    writer.put(place.role);
    writer.put(place.layer);
    writer.put(view.dtype);
    writer.put_array(std::span(view.shape.data(), static_cast<std::size_t>(view.rank)));
    put_samples(view, writer);
  }
  const auto& bytes = writer.bytes();
  return XXH64(bytes.data(), bytes.size(), /*seed=*/0);
}

}  // namespace sluice::runtime
