// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/decode_torch.hpp"

#include <utility>

#include "runtime/engine/prefill_torch.hpp"

namespace sluice::runtime {
namespace {

// One token is a prompt of one token: prefill does all the work, and all the checks.
class TorchDecode final : public DecodeEngine {
 public:
  explicit TorchDecode(std::unique_ptr<PrefillEngine> engine) : engine_(std::move(engine)) {}

  Status decode(KvPool& pool, std::span<KvSequence* const> sequences,
                std::span<const TokenId> tokens, std::span<float> logits) override {
    const auto vocab = static_cast<std::size_t>(spec().vocab);
    if (tokens.size() != sequences.size() || logits.size() != sequences.size() * vocab) {
      return make_error(ErrorCode::kInvalidArgument,
                        "each sequence needs one token and one row of logits");
    }
    // All or nothing: a failure takes back the sequences before it.
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      auto status = engine_->prefill(pool, *sequences[i], tokens.subspan(i, 1), {},
                                     logits.subspan(i * vocab, vocab));
      if (!status) {
        for (std::size_t done = 0; done < i; ++done) sequences[done]->tokens -= 1;
        return status;
      }
    }
    return {};
  }

  const ModelSpec& spec() const override { return engine_->spec(); }

 private:
  std::unique_ptr<PrefillEngine> engine_;
};

}  // namespace

Result<std::unique_ptr<DecodeEngine>> create_torch_decode_engine(const ModelFile& model,
                                                                 const EngineOptions& options) {
  auto engine = SLUICE_TRY(create_prefill_torch(model, options, TorchPath::kPlain, {}));
  return std::unique_ptr<DecodeEngine>(std::make_unique<TorchDecode>(std::move(engine)));
}

}  // namespace sluice::runtime
