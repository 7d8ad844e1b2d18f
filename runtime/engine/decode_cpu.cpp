// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/decode_cpu.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/engine/decode_step.hpp"
#include "runtime/engine/decode_weights.hpp"
#include "runtime/engine/rope.hpp"

namespace sluice::runtime {
namespace {

// Positions the RoPE table starts with; it doubles when a sequence outgrows it, since a model may
// claim a context that nobody uses.
constexpr std::int64_t kRopePositions = 4096;

Error invalid(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, std::move(message));
}

class DecodeCpu final : public DecodeEngine {
 public:
  DecodeCpu(const ModelFile& model, DecodeWeights weights, int threads)
      : spec_(model.spec()),
        rope_factors_(model.weight(WeightRole::kRopeFactors)),
        weights_(std::move(weights)),
        step_(spec_, weights_, threads),
        rope_(RopeTable::build(spec_, rope_factors_, std::min(kRopePositions, spec_.context_max))) {
  }

  const ModelSpec& spec() const override { return spec_; }

  Status decode(KvPool& pool, std::span<KvSequence* const> sequences,
                std::span<const TokenId> tokens, std::span<float> logits) override {
    SLUICE_TRY(check_sizes(pool, sequences, tokens, logits));
    for (std::size_t m = 0; m < sequences.size(); ++m) {
      SLUICE_TRY(check_sequence(pool, *sequences[m], tokens[m]));
      if (std::count(sequences.begin(), sequences.end(), sequences[m]) > 1) {
        return invalid("a sequence is twice in one decode batch");
      }
    }
    grow_rope(sequences);
    const auto vocab = static_cast<std::size_t>(spec_.vocab);
    for (std::size_t m = 0; m < sequences.size(); m += kDecodeBatchMax) {
      const std::size_t count =
          std::min(static_cast<std::size_t>(kDecodeBatchMax), sequences.size() - m);
      step_.run(
          {&pool, sequences.subspan(m, count), tokens.subspan(m, count), logits.data() + m * vocab},
          rope_);
    }
    for (KvSequence* sequence : sequences) ++sequence->tokens;
    return {};
  }

  // As a batch of sequences that share their blocks, each a token longer than the one before: in
  // every layer a step stores the rows of all before it attends for any.
  Status append(KvPool& pool, KvSequence& sequence, std::span<const TokenId> tokens,
                std::span<float> logits) override {
    const auto vocab = static_cast<std::size_t>(spec_.vocab);
    if (logits.size() != tokens.size() * vocab)
      return invalid("append needs logits for each token");
    for (std::size_t first = 0; first < tokens.size(); first += kDecodeBatchMax) {
      const std::size_t count =
          std::min(static_cast<std::size_t>(kDecodeBatchMax), tokens.size() - first);
      std::vector<KvSequence> steps(count, sequence);
      std::vector<KvSequence*> pointers;
      for (std::size_t i = 0; i < count; ++i) {
        steps[i].tokens += static_cast<std::int64_t>(i);
        pointers.push_back(&steps[i]);
      }
      SLUICE_TRY(decode(pool, pointers, tokens.subspan(first, count),
                        logits.subspan(first * vocab, count * vocab)));
      sequence.tokens += static_cast<std::int64_t>(count);
    }
    return {};
  }

 private:
  Status check_sizes(const KvPool& pool, std::span<KvSequence* const> sequences,
                     std::span<const TokenId> tokens, std::span<float> logits) const {
    const KvShape& shape = pool.shape();
    if (shape.layers != spec_.layers || shape.kv_heads != spec_.kv_heads ||
        shape.head_dim != spec_.head_dim) {
      return invalid("the KV pool has another shape than the model");
    }
    if (tokens.size() != sequences.size()) return invalid("decode needs one token per sequence");
    if (logits.size() != sequences.size() * static_cast<std::size_t>(spec_.vocab)) {
      return invalid("decode needs vocabulary-sized logits per sequence");
    }
    return {};
  }

  Status check_sequence(const KvPool& pool, const KvSequence& sequence, TokenId token) const {
    if (token < 0 || token >= spec_.vocab) {
      return invalid("token " + std::to_string(token) + " is outside the vocabulary of " +
                     std::to_string(spec_.vocab));
    }
    if (sequence.tokens < 0 || sequence.tokens >= spec_.context_max) {
      return invalid("the sequence already fills the context of " +
                     std::to_string(spec_.context_max) + " tokens");
    }
    SLUICE_TRY(check_dropped(sequence));
    const std::int64_t wanted = kv_blocks_for(sequence.rows_max() + 1);
    if (wanted > static_cast<std::int64_t>(sequence.blocks.size())) {
      return make_error(ErrorCode::kResourceExhausted,
                        "the sequence has " + std::to_string(sequence.blocks.size()) +
                            " KV blocks and needs " + std::to_string(wanted));
    }
    for (const KvBlockId block : sequence.blocks) {
      if (block < 0 || block >= pool.blocks()) return invalid("a KV block is outside the pool");
    }
    return {};
  }

  Status check_dropped(const KvSequence& sequence) const {
    if (sequence.dropped.empty()) return {};
    if (sequence.dropped.size() != static_cast<std::size_t>(spec_.layers * spec_.kv_heads)) {
      return invalid("a sequence's dropped rows are not of the model's layers and heads");
    }
    const auto [least, most] =
        std::minmax_element(sequence.dropped.begin(), sequence.dropped.end());
    if (*least < 0 || *most > sequence.tokens) {
      return invalid("a sequence has more dropped rows than tokens, or fewer than none");
    }
    return {};
  }

  void grow_rope(std::span<KvSequence* const> sequences) {
    std::int64_t wanted = 0;
    for (const KvSequence* sequence : sequences) wanted = std::max(wanted, sequence->tokens + 1);
    if (wanted <= rope_.positions()) return;
    const std::int64_t positions = std::max(wanted, 2 * rope_.positions());
    rope_ = RopeTable::build(spec_, rope_factors_, std::min(positions, spec_.context_max));
  }

  const ModelSpec spec_;
  const std::optional<TensorView> rope_factors_;
  const DecodeWeights weights_;
  DecodeStep step_;
  RopeTable rope_;
};

}  // namespace

Result<std::unique_ptr<DecodeEngine>> create_decode_cpu(const ModelFile& model,
                                                        const EngineOptions& options) {
  if (options.threads < 0) return invalid("the number of decode threads cannot be negative");
  DecodeWeights weights = SLUICE_TRY(DecodeWeights::bind(model));
  const int threads = options.threads == 0 ? usable_cores() : options.threads;
  return std::unique_ptr<DecodeEngine>(new DecodeCpu(model, std::move(weights), threads));
}

}  // namespace sluice::runtime
