// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/level_speed.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/continuation.hpp"

namespace sluice::runtime {
namespace {

using Clock = std::chrono::steady_clock;

// Runs are repeated until there are enough, or until they have taken long enough.
constexpr std::size_t kRunsMax = 5;
constexpr std::size_t kRunsMin = 2;
constexpr double kPatience_s = 3.0;
constexpr std::int64_t kChunkTokens = 512;  // as the workers compute prompts
constexpr std::int64_t kAnswerTokens = 24;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool is_enough(std::size_t runs, Clock::time_point start) {
  return runs >= kRunsMax || (runs >= kRunsMin && seconds_since(start) > kPatience_s);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Result<CodecSpeed> measure_codec_speed(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                                       const std::shared_ptr<const kernels::Profile>& profile,
                                       const CacheEncoding& encoding) {
  std::vector<double> encode;
  std::vector<double> decode;
  for (const auto start = Clock::now(); !is_enough(encode.size(), start);) {
    encode.emplace_back();
    decode.emplace_back();
    const auto coded = SLUICE_TRY(encode_cache(cache, pipeline, encoding, &encode.back()));
    SLUICE_TRY(decode_cache(coded, profile, &decode.back()));
  }
  const auto tokens = static_cast<double>(std::max<std::int64_t>(cache.tokens(), 1));
  return CodecSpeed{median(encode) / tokens, median(decode) / tokens};
}

Result<double> measure_prefill_s_per_token(PrefillEngine& engine, std::span<const TokenId> prompt) {
  const auto tokens = static_cast<std::int64_t>(prompt.size());
  const std::int64_t blocks = kv_blocks_for(tokens);
  const auto pool = SLUICE_TRY(KvPool::create(kv_shape_of(engine.spec()), blocks));
  KvSequence sequence{SLUICE_TRY(pool->acquire(blocks)), 0, {}};
  std::vector<double> runs;
  for (const auto start = Clock::now(); !is_enough(runs.size(), start);) {
    const auto begin = Clock::now();
    sequence.tokens = 0;
    while (sequence.tokens < tokens) {
      const auto from = static_cast<std::size_t>(sequence.tokens);
      const auto count = static_cast<std::size_t>(std::min(kChunkTokens, tokens - sequence.tokens));
      SLUICE_TRY(engine.prefill(*pool, sequence, prompt.subspan(from, count), {}, {}));
    }
    runs.push_back(seconds_since(begin));
  }
  return median(runs) / static_cast<double>(tokens);
}

Result<double> measure_decode_s_per_token(DecodeEngine& engine, const DumpedCache& cache) {
  const auto pool = SLUICE_TRY(
      KvPool::create(kv_shape_of(engine.spec()), blocks_after(cache, kAnswerTokens + 1)));
  std::vector<double> runs;
  auto sequence = SLUICE_TRY(place_cache({cache, {}}, kAnswerTokens + 1, *pool));
  std::vector<float> logits(static_cast<std::size_t>(engine.spec().vocab));
  for (std::int64_t token = 0; token < kAnswerTokens; ++token) {
    KvSequence* const one = &sequence;
    const auto fed = static_cast<TokenId>(token);
    const auto begin = Clock::now();
    SLUICE_TRY(engine.decode(*pool, {&one, 1}, {&fed, 1}, logits));
    runs.push_back(seconds_since(begin));
  }
  return median(runs);
}

}  // namespace sluice::runtime
