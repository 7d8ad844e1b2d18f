// SPDX-License-Identifier: Apache-2.0
// Runs the model: prompt chunks into the paged KV cache, and one token at a time out of it.
//
// Two engines behind one interface each, since their needs differ: prefill is GEMM on many tokens
// (LibTorch), decode is bandwidth on few (kernels/ on a CPU, straight from the mapped weights;
// LibTorch on CUDA). Attention always reads what the cache holds, rounded to its dtype, so an
// answer does not depend on where a prompt was cut into chunks, nor on which process decodes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/stages/select/layer_queries.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

enum class ComputeType : std::uint8_t {
  kAuto,  // BF16 where the CPU has AMX-BF16 or AVX512-BF16 (and on CUDA), else FP32
  kF32,
  kBF16,
};

enum class Device : std::uint8_t { kCpu, kCuda };

struct EngineOptions {
  ComputeType compute = ComputeType::kAuto;
  Device device = Device::kCpu;
  int threads = 0;  // 0: all cores this process may use
};

// Called on the engine's thread as soon as K and V of `layer` for the chunk's positions
// [first_token, last_token) are in the pool; later layers are still to be computed.
using LayerReady =
    std::function<void(std::int64_t layer, std::int64_t first_token, std::int64_t last_token)>;

// Watches attention, for scores of tokens. Costs nothing where nobody does.
struct PrefillObserver {
  // Queries from this position on are handed over.
  std::int64_t first_token = 0;
  bool similarity = false;  // of the residual stream too, for all tokens
  // Called on the engine's thread after a layer's attention, hence after its LayerReady, for each
  // layer and each piece of a chunk: pieces of one layer come in order and cover the chunk up to
  // last_token, and layers come in order within a piece.
  std::function<void(const kernels::LayerQueries& queries)> observe;
};

struct PrefillHooks {
  PrefillHooks() = default;
  PrefillHooks(LayerReady ready,  // NOLINT: implicit, most callers have no other hook
               const PrefillObserver* watcher = nullptr)
      : layer_ready(std::move(ready)), observer(watcher) {}

  LayerReady layer_ready;                     // may be empty
  const PrefillObserver* observer = nullptr;  // may be null
};

class PrefillEngine {
 public:
  virtual ~PrefillEngine() = default;

  // Converts the weights once to the compute type. `model` may be dropped afterwards.
  // `progress` (may be empty) gets 0..1 while it loads.
  static Result<std::unique_ptr<PrefillEngine>> create(const ModelFile& model,
                                                       const EngineOptions& options,
                                                       const std::function<void(double)>& progress);

  // Appends `tokens` to `sequence` (whose blocks must suffice: kResourceExhausted otherwise).
  // `logits`: empty, or vocab floats for the chunk's last token, or tokens.size() * vocab floats
  // for all of them.
  virtual Status prefill(KvPool& pool, KvSequence& sequence, std::span<const TokenId> tokens,
                         const PrefillHooks& hooks, std::span<float> logits) = 0;

  // For each head h the matrix W_h^T W_h, [heads][head_dim][head_dim], of the columns of the
  // attention's output projection that take its result: |W_h v|^2 = v^T W_h^T W_h v. Computed when
  // first asked for; the engine owns it.
  virtual Result<std::span<const float>> output_gram(std::int64_t layer) = 0;

  virtual const ModelSpec& spec() const = 0;
  virtual ComputeType compute() const = 0;  // what kAuto became
  virtual std::size_t weight_bytes() const = 0;
};

class DecodeEngine {
 public:
  virtual ~DecodeEngine() = default;

  // Keeps and reads `model`'s mapped weights in place (CPU): it must outlive the engine.
  static Result<std::unique_ptr<DecodeEngine>> create(const ModelFile& model,
                                                      const EngineOptions& options);

  // One token for each sequence: appends its K and V (blocks must suffice), writes its logits.
  // `logits`: sequences.size() * vocab floats, row by row. A row does not depend on the others.
  virtual Status decode(KvPool& pool, std::span<KvSequence* const> sequences,
                        std::span<const TokenId> tokens, std::span<float> logits) = 0;

  // Known tokens of one sequence: row i of `logits` (tokens.size() * vocab floats) is what decode()
  // writes for tokens[i] once those before it are there, bit for bit, and usually sooner.
  virtual Status append(KvPool& pool, KvSequence& sequence, std::span<const TokenId> tokens,
                        std::span<float> logits) {
    const auto vocab = static_cast<std::size_t>(spec().vocab);
    if (logits.size() != tokens.size() * vocab) {
      return make_error(ErrorCode::kInvalidArgument, "append needs logits for each token");
    }
    KvSequence* const sequences[] = {&sequence};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      SLUICE_TRY(decode(pool, sequences, tokens.subspan(i, 1), logits.subspan(i * vocab, vocab)));
    }
    return {};
  }

  virtual const ModelSpec& spec() const = 0;
};

}  // namespace sluice::runtime
