// SPDX-License-Identifier: Apache-2.0
// How fast this machine runs a model, and encodes and decodes its caches.
#pragma once

#include <memory>
#include <span>

#include "kernels/pipeline/pipeline.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/codec/coded_cache.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {

struct CodecSpeed {
  double encode_s_per_token = 0.0;  // scores not counted
  double decode_s_per_token = 0.0;
};

// Medians of several runs on this thread.
Result<CodecSpeed> measure_codec_speed(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                                       const std::shared_ptr<const kernels::Profile>& profile,
                                       const CacheEncoding& encoding);

// Medians of several prefills of `prompt`, which nobody watches.
Result<double> measure_prefill_s_per_token(PrefillEngine& engine, std::span<const TokenId> prompt);

// Of one answer, one token after another, after `cache`.
Result<double> measure_decode_s_per_token(DecodeEngine& engine, const DumpedCache& cache);

}  // namespace sluice::runtime
