// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/spec_check.hpp"

#include <cmath>
#include <cstdint>

namespace sluice::runtime {
namespace {

// Far above every model, and small enough that heads * head_dim * hidden stays below 2^63.
constexpr std::int64_t kSizeMax = std::int64_t{1} << 28;
constexpr std::int64_t kHeadsMax = 1 << 14;
constexpr std::int64_t kLayersMax = 1 << 14;

struct Range {
  const char* what;
  std::int64_t value;
  std::int64_t max;
};

Error corrupt(const std::string& source, const std::string& what) {
  return make_error(ErrorCode::kCorrupt, source + ": " + what);
}

Status check_rope(const RopeSpec& rope, const ModelSpec& spec, const std::string& source) {
  if (rope.dims <= 0 || rope.dims > spec.head_dim || rope.dims % 2 != 0) {
    return corrupt(source, "RoPE over " + std::to_string(rope.dims) +
                               " elements is impossible with heads of " +
                               std::to_string(spec.head_dim));
  }
  // A base of 1 or less gives no falling frequencies.
  if (!std::isfinite(rope.base) || rope.base <= 1.0) {
    return corrupt(source, "the RoPE base " + std::to_string(rope.base) + " is impossible");
  }
  if (!std::isfinite(rope.factor) || rope.factor <= 0.0) {
    return corrupt(source,
                   "the RoPE scaling factor " + std::to_string(rope.factor) + " is impossible");
  }
  const bool has_context =
      rope.scaling == RopeScaling::kLlama3 || rope.scaling == RopeScaling::kYarn;
  if (has_context && (rope.original_context <= 0 || rope.original_context > kSizeMax)) {
    return corrupt(source, "the RoPE scaling's original context of " +
                               std::to_string(rope.original_context) + " tokens is impossible");
  }
  for (const double value :
       {rope.low_freq_factor, rope.high_freq_factor, rope.beta_fast, rope.beta_slow}) {
    if (!std::isfinite(value) || value <= 0.0) {
      return corrupt(source, "a RoPE scaling value of " + std::to_string(value) + " is impossible");
    }
  }
  if (!std::isfinite(rope.attention_factor) || rope.attention_factor < 0.0) {
    return corrupt(source, "the RoPE attention factor is impossible");
  }
  return {};
}

}  // namespace

Status check_spec(const ModelSpec& spec, const std::string& source) {
  const Range ranges[] = {
      {"layers", spec.layers, kLayersMax},
      {"hidden elements", spec.hidden, kSizeMax},
      {"attention heads", spec.heads, kHeadsMax},
      {"key and value heads", spec.kv_heads, kHeadsMax},
      {"elements per head", spec.head_dim, kHeadsMax},
      {"feed-forward elements", spec.ffn, kSizeMax},
      {"tokens in the vocabulary", spec.vocab, kSizeMax},
      {"tokens of context", spec.context_max, kSizeMax},
  };
  for (const auto& range : ranges) {
    if (range.value > 0 && range.value <= range.max) continue;
    return corrupt(
        source, "a model of " + std::to_string(range.value) + " " + range.what + " is impossible");
  }
  if (spec.heads % spec.kv_heads != 0) {
    return corrupt(source, std::to_string(spec.heads) + " attention heads cannot share " +
                               std::to_string(spec.kv_heads) + " key and value heads");
  }
  if (!std::isfinite(spec.rms_epsilon) || spec.rms_epsilon < 0.0 || spec.rms_epsilon > 1.0) {
    return corrupt(source,
                   "an RMS norm epsilon of " + std::to_string(spec.rms_epsilon) + " is impossible");
  }
  return check_rope(spec.rope, spec, source);
}

}  // namespace sluice::runtime
