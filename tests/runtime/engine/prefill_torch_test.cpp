// SPDX-License-Identifier: Apache-2.0
// The engine against the oracle in double, on tiny models; both paths, both compute types.
#include "runtime/engine/prefill_torch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/core/device.hpp"
#include "tests/support/reference_forward.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<TokenId> random_tokens(const ModelSpec& spec, std::size_t count, unsigned seed = 7) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(spec.vocab - 1));
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = any(generator);
  return tokens;
}

// An engine with a pool and a sequence of its own, whose blocks are not in order.
class Bench {
 public:
  Bench(const ModelFile& model, ComputeType compute, TorchPath path, DType kv_dtype,
        int threads = 1)
      : engine_(create_prefill_torch(model, {.compute = compute, .threads = threads}, path, {})
                    .value()) {
    const ModelSpec& spec = model.spec();
    pool_ = KvPool::create({spec.layers, spec.kv_heads, spec.head_dim, kv_dtype}, 20).value();
    sequence_.blocks = pool_->acquire(20).value();
    std::reverse(sequence_.blocks.begin(), sequence_.blocks.end());
  }

  // Logits of every token, the prompt cut into chunks of `chunk`.
  std::vector<float> all_logits(const std::vector<TokenId>& tokens, std::size_t chunk) {
    const auto vocab = static_cast<std::size_t>(engine_->spec().vocab);
    std::vector<float> logits(tokens.size() * vocab, NAN);
    sequence_.tokens = 0;
    for (std::size_t first = 0; first < tokens.size(); first += chunk) {
      const std::size_t count = std::min(chunk, tokens.size() - first);
      engine_
          ->prefill(*pool_, sequence_, std::span(tokens).subspan(first, count), {},
                    std::span(logits).subspan(first * vocab, count * vocab))
          .value();
    }
    return logits;
  }

  PrefillEngine& engine() { return *engine_; }
  KvPool& pool() { return *pool_; }
  KvSequence& sequence() { return sequence_; }

 private:
  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
  KvSequence sequence_;
};

double largest_difference(const std::vector<float>& ours,
                          const std::vector<std::vector<double>>& reference) {
  double largest = 0;
  std::size_t i = 0;
  for (const auto& row : reference) {
    for (const double value : row) largest = std::max(largest, std::abs(ours[i++] - value));
  }
  return largest;
}

struct Case {
  const char* name;
  void (*change)(ModelSpec&);
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

const Case kCases[] = {
    {"grouped", [](ModelSpec&) {}},
    {"interleaved", [](ModelSpec& spec) { spec.rope.style = RopeStyle::kInterleaved; }},
    {"multi_head", [](ModelSpec& spec) { spec.kv_heads = spec.heads; }},
    {"multi_query_tied_biased",
     [](ModelSpec& spec) {
       spec.kv_heads = 1;
       spec.tied_embeddings = true;
       spec.attention_bias = true;
     }},
    {"partly_rotated_wide_heads",
     [](ModelSpec& spec) {
       spec.head_dim = 20;
       spec.rope.dims = 12;
       spec.rope.scaling = RopeScaling::kYarn;
       spec.rope.factor = 4;
       spec.rope.original_context = 64;
     }},
};

class PrefillTorch : public ::testing::TestWithParam<std::tuple<Case, TorchPath>> {};

TEST_P(PrefillTorch, Fp32AgreesWithTheOracleHoweverThePromptIsCut) {
  const auto& [c, path] = GetParam();
  ModelSpec spec = tiny_spec();
  c.change(spec);
  const TinyModel model(spec);
  const auto tokens = random_tokens(spec, 100);
  for (const DType kv_dtype : {DType::kF32, DType::kBF16}) {
    const auto reference = ReferenceForward(model, kv_dtype).logits(tokens);
    Bench bench(model, ComputeType::kF32, path, kv_dtype);
    for (const std::size_t chunk : {100U, 64U, 33U}) {
      // A value near a rounding boundary may enter the BF16 cache a step away.
      const double tolerance = kv_dtype == DType::kF32 ? 1e-4 : 2e-2;
      EXPECT_LT(largest_difference(bench.all_logits(tokens, chunk), reference), tolerance)
          << dtype_name(kv_dtype) << " in chunks of " << chunk;
    }
  }
}

TEST_P(PrefillTorch, Bf16IsCloseToTheOracle) {
  const auto& [c, path] = GetParam();
  ModelSpec spec = tiny_spec();
  c.change(spec);
  const TinyModel model(spec, 3, DType::kBF16);
  const auto tokens = random_tokens(spec, 100);
  const auto reference = ReferenceForward(model, DType::kBF16).logits(tokens);
  Bench bench(model, ComputeType::kBF16, path, DType::kBF16);
  EXPECT_EQ(bench.engine().compute(), ComputeType::kBF16);
  for (const std::size_t chunk : {100U, 40U}) {
    // Logits have a size of about 1; BF16 keeps 8 bits.
    EXPECT_LT(largest_difference(bench.all_logits(tokens, chunk), reference), 0.15) << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PrefillTorch,
                         ::testing::Combine(::testing::ValuesIn(kCases),
                                            ::testing::Values(TorchPath::kFused,
                                                              TorchPath::kPlain)));

// Work is shared out, never summed across threads: not a bit may differ.
TEST(PrefillTorchEngine, KeysAndValuesDoNotDependOnTheThreads) {
  const TinyModel model(tiny_spec());
  const auto tokens = random_tokens(model.spec(), 60);
  std::vector<std::vector<std::byte>> contents;
  for (const int threads : {1, 2}) {
    Bench bench(model, ComputeType::kF32, TorchPath::kFused, DType::kBF16, threads);
    bench.engine().prefill(bench.pool(), bench.sequence(), tokens, {}, {}).value();
    const std::byte* start = bench.pool().block(1, bench.sequence().blocks[0]);
    contents.emplace_back(start, start + bench.pool().block_bytes());
  }
  EXPECT_TRUE(contents[0] == contents[1]);
}

TEST(PrefillTorchEngine, LastLogitsAreThoseOfTheLastToken) {
  const TinyModel model(tiny_spec());
  const auto tokens = random_tokens(model.spec(), 50);
  Bench bench(model, ComputeType::kF32, TorchPath::kFused, DType::kF32);
  const auto all = bench.all_logits(tokens, 50);
  const auto vocab = static_cast<std::size_t>(model.spec().vocab);
  std::vector<float> last(vocab);
  bench.sequence().tokens = 0;
  bench.engine().prefill(bench.pool(), bench.sequence(), tokens, {}, last).value();
  for (std::size_t i = 0; i < vocab; ++i) EXPECT_NEAR(last[i], all[49 * vocab + i], 1e-5);
}

TEST(PrefillTorchEngine, LayersAreAnnouncedInOrderWithTheirPositions) {
  const TinyModel model(tiny_spec());
  const auto tokens = random_tokens(model.spec(), 40);
  Bench bench(model, ComputeType::kF32, TorchPath::kFused, DType::kF32);
  std::vector<std::vector<std::int64_t>> calls;
  const LayerReady ready = [&](std::int64_t layer, std::int64_t first, std::int64_t last) {
    calls.push_back({layer, first, last});
  };
  const std::span<const TokenId> all(tokens);
  bench.engine().prefill(bench.pool(), bench.sequence(), all.first(30), ready, {}).value();
  bench.engine().prefill(bench.pool(), bench.sequence(), all.subspan(30), ready, {}).value();
  EXPECT_THAT(calls, ElementsAre(ElementsAre(0, 0, 30), ElementsAre(1, 0, 30),
                                 ElementsAre(0, 30, 40), ElementsAre(1, 30, 40)));
  EXPECT_EQ(bench.sequence().tokens, 40);
}

// What a layer announces is in the pool already: the content does not change afterwards.
TEST(PrefillTorchEngine, AnnouncedKeysAndValuesAreFinal) {
  const TinyModel model(tiny_spec());
  Bench bench(model, ComputeType::kF32, TorchPath::kFused, DType::kBF16);
  const auto tokens = random_tokens(model.spec(), 32);
  std::vector<std::vector<std::byte>> seen;
  const auto copy = [&](std::int64_t layer) {
    const std::byte* start = bench.pool().block(layer, bench.sequence().blocks[0]);
    return std::vector<std::byte>(start, start + bench.pool().block_bytes());
  };
  const LayerReady ready = [&](std::int64_t layer, std::int64_t, std::int64_t) {
    seen.push_back(copy(layer));
  };
  bench.engine().prefill(bench.pool(), bench.sequence(), tokens, ready, {}).value();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_TRUE(seen[0] == copy(0));
  EXPECT_TRUE(seen[1] == copy(1));
  EXPECT_FALSE(seen[0] == seen[1]);
}

TEST(PrefillTorchEngine, BadInputIsASentenceAndChangesNothing) {
  const TinyModel model(tiny_spec());
  Bench bench(model, ComputeType::kF32, TorchPath::kFused, DType::kF32);
  const auto tokens = random_tokens(model.spec(), 513);
  std::vector<float> logits(3);
  const auto refused = [&](std::span<const TokenId> some, std::span<float> out) {
    const Status status = bench.engine().prefill(bench.pool(), bench.sequence(), some, {}, out);
    EXPECT_FALSE(status);
    EXPECT_EQ(bench.sequence().tokens, 0);
    return status ? Error{} : status.error();
  };
  EXPECT_EQ(refused({}, {}).code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused(tokens, {}).message, HasSubstr("context of 512"));
  EXPECT_EQ(refused(std::span(tokens).first(2), logits).code, ErrorCode::kInvalidArgument);
  const TokenId foreign[] = {97};
  EXPECT_THAT(refused(foreign, {}).message, HasSubstr("vocabulary of 97"));
  bench.pool().release(std::span(bench.sequence().blocks).subspan(1));
  bench.sequence().blocks.resize(1);
  const Error few = refused(std::span(tokens).first(33), {});
  EXPECT_EQ(few.code, ErrorCode::kResourceExhausted);
  EXPECT_THAT(few.message, HasSubstr("needs 2 KV blocks and has 1"));
  auto other = KvPool::create({2, 2, 16, DType::kF32}, 1).value();
  EXPECT_THAT(bench.engine().prefill(*other, bench.sequence(), foreign, {}, {}).error().message,
              HasSubstr("another shape"));
}

TEST(PrefillTorchEngine, CudaWithoutADeviceIsASentence) {
  if (cuda_device_count() > 0) GTEST_SKIP() << "this machine has a CUDA device";
  const TinyModel model(tiny_spec());
  const auto engine = PrefillEngine::create(model, {.device = Device::kCuda}, {});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kUnsupported);
}

TEST(PrefillTorchEngine, AMissingWeightIsASentence) {
  TinyModel model(tiny_spec());
  model.drop(WeightRole::kDown, 1);
  const auto engine =
      create_prefill_torch(model, {.compute = ComputeType::kF32}, TorchPath::kFused, {});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kCorrupt);
}

TEST(PrefillTorchEngine, CreateReportsProgressAndItsSize) {
  const TinyModel model(tiny_spec());
  std::vector<double> steps;
  const auto engine =
      PrefillEngine::create(model, {.compute = ComputeType::kF32, .threads = 1}, [&](double done) {
        steps.push_back(done);
      }).value();
  EXPECT_THAT(steps, ElementsAre(0.5, 1.0));
  const std::size_t layer = 48 * (48 + 32 + 48) + 3 * 48 * 80 + 2 * 48;
  EXPECT_EQ(engine->weight_bytes(), 4 * (2 * 97 * 48 + 48 + 2 * layer));
}

}  // namespace
}  // namespace sluice::runtime
