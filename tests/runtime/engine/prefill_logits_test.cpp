// SPDX-License-Identifier: Apache-2.0
// The default model's logits against transformers in FP32 (make_logits_reference.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "runtime/engine/engine.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kTop = 8;

struct Position {
  std::vector<float> sample;  // logits index % stride, + stride, ...
  std::array<std::int32_t, kTop> top_ids;
  std::array<float, kTop> top_values;
};

struct Prompt {
  std::vector<TokenId> ids;
  std::vector<Position> positions;
};

struct Reference {
  std::size_t stride = 0;
  std::size_t vocab = 0;
  std::vector<Prompt> prompts;
};

Result<Position> read_position(ByteReader& reader, std::size_t samples) {
  Position position;
  for (std::size_t i = 0; i < samples; ++i) {
    position.sample.push_back(SLUICE_TRY(reader.get<float>()));
  }
  position.top_ids = SLUICE_TRY((reader.get<std::array<std::int32_t, kTop>>()));
  position.top_values = SLUICE_TRY((reader.get<std::array<float, kTop>>()));
  return position;
}

Result<Reference> read_reference() {
  std::ifstream file(SLUICE_SOURCE_DIR "/tests/runtime/engine/logits_reference.bin",
                     std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  ByteReader reader(as_bytes(text));
  const auto header = SLUICE_TRY((reader.get<std::array<std::uint32_t, 5>>()));
  Reference reference{.stride = header[3], .vocab = header[4], .prompts = {}};
  for (std::uint32_t i = 0; i < header[2]; ++i) {
    Prompt prompt;
    prompt.ids = SLUICE_TRY(reader.get_array<TokenId>());
    for (std::size_t at = 0; at < prompt.ids.size(); ++at) {
      const std::size_t offset = at % reference.stride;
      const std::size_t samples =
          (reference.vocab - offset + reference.stride - 1) / reference.stride;
      prompt.positions.push_back(SLUICE_TRY(read_position(reader, samples)));
    }
    reference.prompts.push_back(std::move(prompt));
  }
  if (reader.remaining() != 0) return make_error(ErrorCode::kCorrupt, "bytes are left over");
  return reference;
}

class PrefillLogits : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string(SLUICE_DEFAULT_MODEL).empty()) {
      GTEST_SKIP() << "SLUICE_DEFAULT_MODEL is not set: there are no real weights to compute with";
    }
    reference_ = read_reference().value();
    model_ = ModelFile::open(SLUICE_DEFAULT_MODEL).value();
  }

  void load(ComputeType compute, DType kv_dtype) {
    engine_ = PrefillEngine::create(*model_, {.compute = compute, .threads = 2}, {}).value();
    const ModelSpec& spec = model_->spec();
    ASSERT_EQ(static_cast<std::size_t>(spec.vocab), reference_.vocab);
    pool_ = KvPool::create({spec.layers, spec.kv_heads, spec.head_dim, kv_dtype}, 16).value();
  }

  // Calls check(position, logits) for every position of `prompt`.
  template <class Check>
  void for_each_position(const Prompt& prompt, std::size_t chunk, const Check& check) {
    KvSequence sequence{
        .blocks =
            pool_->acquire(kv_blocks_for(static_cast<std::int64_t>(prompt.ids.size()))).value(),
        .tokens = 0};
    std::vector<float> logits(std::min(chunk, prompt.ids.size()) * reference_.vocab);
    for (std::size_t first = 0; first < prompt.ids.size(); first += chunk) {
      const std::size_t count = std::min(chunk, prompt.ids.size() - first);
      const auto rows = std::span(logits).first(count * reference_.vocab);
      engine_->prefill(*pool_, sequence, std::span(prompt.ids).subspan(first, count), {}, rows)
          .value();
      for (std::size_t i = 0; i < count; ++i) {
        check(first + i, rows.subspan(i * reference_.vocab, reference_.vocab));
      }
    }
    pool_->release(sequence.blocks);
  }

  Reference reference_;
  std::unique_ptr<ModelFile> model_;
  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
};

TEST_F(PrefillLogits, Fp32AgreesWithTransformersAtEveryPosition) {
  load(ComputeType::kF32, DType::kF32);
  double worst = 0;
  for (const std::size_t chunk : {std::size_t{64}, std::size_t{512}}) {
    for (const Prompt& prompt : reference_.prompts) {
      for_each_position(prompt, chunk, [&](std::size_t at, std::span<const float> logits) {
        const Position& expected = prompt.positions[at];
        for (std::size_t i = 0; i < expected.sample.size(); ++i) {
          const float ours = logits[at % reference_.stride + i * reference_.stride];
          worst = std::max(worst, std::abs(static_cast<double>(ours) - expected.sample[i]));
        }
        for (std::size_t i = 0; i < kTop; ++i) {
          const float ours = logits[static_cast<std::size_t>(expected.top_ids[i])];
          worst = std::max(worst, std::abs(static_cast<double>(ours) - expected.top_values[i]));
        }
      });
    }
    EXPECT_LT(worst, 1e-3) << "in chunks of " << chunk;
  }
  RecordProperty("worst_difference", std::to_string(worst));
}

// Where FP32's best token leads clearly, BF16 must choose it; elsewhere it mostly does.
TEST_F(PrefillLogits, Bf16ChoosesTheSameTokens) {
  load(ComputeType::kBF16, DType::kBF16);
  std::size_t positions = 0;
  std::size_t agreeing = 0;
  for (const Prompt& prompt : reference_.prompts) {
    for_each_position(prompt, 512, [&](std::size_t at, std::span<const float> logits) {
      const Position& expected = prompt.positions[at];
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      const bool agrees = best == expected.top_ids[0];
      positions += 1;
      agreeing += agrees ? 1 : 0;
      EXPECT_TRUE(agrees || expected.top_values[0] - expected.top_values[1] < 1.0F)
          << "position " << at << ": FP32 prefers its token by "
          << expected.top_values[0] - expected.top_values[1];
    });
  }
  EXPECT_GE(static_cast<double>(agreeing), 0.93 * static_cast<double>(positions))
      << agreeing << " of " << positions;
}

}  // namespace
}  // namespace sluice::runtime
