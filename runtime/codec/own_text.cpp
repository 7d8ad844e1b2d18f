// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/own_text.hpp"

#include <limits>

#include "runtime/engine/engine_options.hpp"
#include "runtime/engine/sampler.hpp"

namespace sluice::runtime {

Result<std::vector<std::vector<TokenId>>> own_texts(
    std::span<const std::vector<TokenId>> beginnings, PrefillEngine& prefill, DecodeEngine& decode,
    const OwnTextOptions& options) {
  std::vector<std::vector<TokenId>> texts(beginnings.begin(), beginnings.end());
  std::int64_t blocks = 0;
  const auto blocks_of = [&](const std::vector<TokenId>& text) {
    return kv_blocks_for(static_cast<std::int64_t>(text.size()) + options.tokens);
  };
  for (const auto& text : texts) blocks += blocks_of(text);
  const auto pool = SLUICE_TRY(KvPool::create(kv_shape_of(decode.spec()), blocks));
  std::vector<KvSequence> sequences;
  sequences.reserve(texts.size());
  std::vector<KvSequence*> all;
  for (const auto& text : texts) {
    if (text.empty()) return make_error(ErrorCode::kInvalidArgument, "a text has no beginning");
    sequences.push_back({SLUICE_TRY(pool->acquire(blocks_of(text))), 0, {}});
    all.push_back(&sequences.back());
    // The last token is fed by the first step.
    const auto before = std::span(text).first(text.size() - 1);
    if (!before.empty()) SLUICE_TRY(prefill.prefill(*pool, sequences.back(), before, {}, {}));
  }
  const auto vocab = static_cast<std::size_t>(decode.spec().vocab);
  std::vector<float> logits(texts.size() * vocab);
  std::vector<TokenId> fed(texts.size());
  for (std::int64_t step = 0; step < options.tokens; ++step) {
    for (std::size_t i = 0; i < texts.size(); ++i) fed[i] = texts[i].back();
    SLUICE_TRY(decode.decode(*pool, all, fed, logits));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto row = std::span(logits).subspan(i * vocab, vocab);
      for (const TokenId token : options.never) {
        row[static_cast<std::size_t>(token)] = -std::numeric_limits<float>::infinity();
      }
      texts[i].push_back(sample(row, {.temperature = 1.0, .seed = options.seed + i}, step));
    }
    if (options.progress) options.progress(step + 1);
  }
  return texts;
}

}  // namespace sluice::runtime
