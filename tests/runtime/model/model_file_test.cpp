// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model_file.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>

#include "runtime/model/gguf_file.hpp"
#include "tests/support/tiny_llama.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using tests::TemporaryFolder;
using tests::TinyLlama;

std::vector<float> floats(const std::optional<TensorView>& view) {
  if (!view || view->dtype != DType::kF32) return {};
  const auto* first = view->as<float>();
  return {first, first + view->elements()};
}

std::unique_ptr<ModelFile> opened(const std::filesystem::path& path) {
  auto model = ModelFile::open(path);
  EXPECT_TRUE(model.has_value()) << model.error().message;
  return model ? std::move(*model) : nullptr;
}

void expect_error(const std::filesystem::path& path, ErrorCode code, const char* part) {
  const auto model = ModelFile::open(path);
  ASSERT_FALSE(model.has_value()) << "expected: " << part;
  EXPECT_EQ(model.error().code, code) << model.error().message;
  EXPECT_THAT(model.error().message, HasSubstr(part));
  EXPECT_THAT(model.error().message, HasSubstr(path.string()));
}

// GGUF's order of the rows of Q and K, back to Hugging Face's.
std::vector<float> halves(const std::vector<float>& rows, std::size_t head_dim, std::size_t width) {
  std::vector<float> out(rows.size());
  for (std::size_t row = 0; row < rows.size() / width; ++row) {
    const std::size_t in_head = row % head_dim;
    const std::size_t target = row - in_head + in_head / 2 + (in_head % 2 == 0 ? 0 : head_dim / 2);
    std::copy_n(&rows[row * width], width, &out[target * width]);
  }
  return out;
}

void expect_same_weights(const ModelFile& gguf, const ModelFile& folder) {
  const ModelSpec& spec = gguf.spec();
  const auto width = static_cast<std::size_t>(spec.hidden);
  const auto head_dim = static_cast<std::size_t>(spec.head_dim);
  const auto last = spec.attention_bias ? WeightRole::kValueBias : WeightRole::kDown;
  for (int number = 0; number <= static_cast<int>(last); ++number) {
    const auto role = static_cast<WeightRole>(number);
    for (std::int64_t layer = 0; layer < spec.layers; ++layer) {
      auto values = floats(gguf.weight(role, layer));
      ASSERT_FALSE(values.empty()) << number;
      if (role == WeightRole::kQuery || role == WeightRole::kKey) {
        values = halves(values, head_dim, width);
      } else if (role == WeightRole::kQueryBias || role == WeightRole::kKeyBias) {
        values = halves(values, head_dim, 1);
      }
      EXPECT_EQ(values, floats(folder.weight(role, layer))) << number;
    }
  }
}

TEST(ModelFile, TheDefaultModelOpens) {
  const std::string path = SLUICE_DEFAULT_MODEL;
  if (path.empty()) GTEST_SKIP() << "no default model was given to the build";
  const auto model = opened(path);
  ASSERT_NE(model, nullptr);
  const ModelSpec& spec = model->spec();
  EXPECT_EQ(spec.architecture, "llama");
  EXPECT_EQ(spec.layers, 30);
  EXPECT_EQ(spec.hidden, 576);
  EXPECT_EQ(spec.heads, 9);
  EXPECT_EQ(spec.kv_heads, 3);
  EXPECT_EQ(spec.head_dim, 64);
  EXPECT_EQ(spec.ffn, 1536);
  EXPECT_EQ(spec.vocab, 49152);
  EXPECT_EQ(spec.context_max, 8192);
  EXPECT_EQ(spec.rms_epsilon, static_cast<double>(1e-5F));
  EXPECT_TRUE(spec.tied_embeddings);
  EXPECT_FALSE(spec.attention_bias);
  EXPECT_EQ(spec.rope.style, RopeStyle::kInterleaved);
  EXPECT_EQ(spec.rope.base, 100000.0);
  EXPECT_EQ(spec.rope.dims, 64);
  EXPECT_EQ(spec.rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(spec.kv_width(), 192);
  EXPECT_EQ(model->weight(WeightRole::kTokenEmbedding)->dtype, DType::kQ8_0);
  EXPECT_EQ(model->weight(WeightRole::kQuery, 29)->dtype, DType::kQ4_1);
  EXPECT_EQ(model->weight(WeightRole::kOutput)->data,
            model->weight(WeightRole::kTokenEmbedding)->data);
  EXPECT_EQ(model->weight(WeightRole::kOutputNorm)->dtype, DType::kF32);
  EXPECT_FALSE(model->weight(WeightRole::kQuery, 30).has_value());
  EXPECT_FALSE(model->weight(WeightRole::kRopeFactors).has_value());
  ASSERT_NE(model->gguf(), nullptr);
  EXPECT_EQ(*model->gguf()->text("tokenizer.ggml.model"), "gpt2");
}

TEST(ModelFile, AFolderEqualsAGguf) {
  TinyLlama shapes[4];
  shapes[1].kv_heads = 4;  // one key head per query head
  shapes[1].is_tied = false;
  shapes[2].kv_heads = 1;  // one for all
  shapes[2].has_bias = true;
  shapes[3].head_dim = 6;  // heads wider than hidden / heads
  for (const TinyLlama& tiny : shapes) {
    const TemporaryFolder folder;
    tiny.write_folder(folder);
    const auto hf = opened(folder.path());
    const auto gguf = opened(folder.write("tiny.gguf", tiny.gguf().build()));
    ASSERT_TRUE(hf != nullptr && gguf != nullptr);
    EXPECT_EQ(hf->gguf(), nullptr);
    EXPECT_EQ(hf->spec().layers, gguf->spec().layers);
    EXPECT_EQ(hf->spec().head_dim, gguf->spec().head_dim);
    EXPECT_EQ(hf->spec().kv_heads, gguf->spec().kv_heads);
    EXPECT_EQ(hf->spec().rms_epsilon, gguf->spec().rms_epsilon);
    EXPECT_EQ(hf->spec().tied_embeddings, gguf->spec().tied_embeddings);
    EXPECT_EQ(hf->spec().attention_bias, gguf->spec().attention_bias);
    EXPECT_EQ(hf->spec().rope.base, gguf->spec().rope.base);
    EXPECT_EQ(hf->spec().rope.dims, gguf->spec().rope.dims);
    expect_same_weights(*gguf, *hf);
  }
}

TEST(ModelFile, AFolderInShardsIsTheSameModel) {
  const TinyLlama tiny;
  const TemporaryFolder whole;
  const TemporaryFolder sharded;
  tiny.write_folder(whole);
  tiny.write_folder(sharded, 2);
  const auto one = opened(whole.path());
  const auto two = opened(sharded.path());
  ASSERT_TRUE(one != nullptr && two != nullptr);
  EXPECT_EQ(one->fingerprint(), two->fingerprint());
  EXPECT_EQ(floats(one->weight(WeightRole::kDown, 1)), floats(two->weight(WeightRole::kDown, 1)));
  std::filesystem::remove(sharded.path() / "model-1.safetensors");
  EXPECT_EQ(ModelFile::open(sharded.path()).error().code, ErrorCode::kNotFound);
}

TEST(ModelFile, NamesComeFromTheFile) {
  const TemporaryFolder folder;
  TinyLlama().write_folder(folder);
  EXPECT_EQ(opened(folder.path())->spec().name, folder.path().filename().string());
  EXPECT_EQ(opened(folder.path() / "")->spec().name, folder.path().filename().string());
  const auto path = folder.write("a.gguf", TinyLlama().gguf().build());
  EXPECT_EQ(opened(path)->spec().name, "tiny");
  EXPECT_EQ(opened(path)->path(), path);
}

TEST(ModelFile, RopeFactorsOfAGgufAreAWeight) {
  const TemporaryFolder folder;
  const auto good = TinyLlama().gguf().tensor_f32("rope_freqs.weight", {2}, {1.0F, 8.0F});
  const auto model = opened(folder.write("m.gguf", good.build()));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(floats(model->weight(WeightRole::kRopeFactors, 1)), (std::vector<float>{1.0F, 8.0F}));
  const auto bad = TinyLlama().gguf().tensor_f32("rope_freqs.weight", {3}, {1, 1, 1});
  expect_error(folder.write("bad.gguf", bad.build()), ErrorCode::kCorrupt, "want [2]");
}

TEST(ModelFile, WrongPathsAreNamed) {
  const TemporaryFolder folder;
  expect_error(folder.path() / "none.gguf", ErrorCode::kNotFound, "there is no such file");
  expect_error(folder.path(), ErrorCode::kNotFound, "config.json: there is no such file");
  expect_error(folder.write("empty.gguf", ""), ErrorCode::kCorrupt, "the file is empty");
  TinyLlama().write_folder(folder);
  expect_error(folder.path() / "model.safetensors", ErrorCode::kInvalidArgument, "name the folder");
  expect_error(folder.path() / "config.json", ErrorCode::kInvalidArgument, "name the folder");
}

TEST(ModelFile, UnknownArchitecturesAreNamed) {
  const TemporaryFolder folder;
  const auto other = tests::GgufBuilder().text("general.architecture", "mamba").build();
  expect_error(folder.write("m.gguf", other), ErrorCode::kUnsupported,
               "the architecture 'mamba' is not supported; known are: llama");
  folder.write("config.json", R"({"architectures": ["MambaForCausalLM"]})");
  expect_error(folder.path(), ErrorCode::kUnsupported, "'MambaForCausalLM' is not supported");
  expect_error(folder.write("no.gguf", tests::GgufBuilder().build()), ErrorCode::kNotFound,
               "has no metadata key 'general.architecture'");
}

TEST(ModelFile, APartOfASplitGgufSaysSo) {
  const TemporaryFolder folder;
  const auto part = tests::GgufBuilder().u32("split.count", 3);
  expect_error(folder.write("m-00002-of-00003.gguf", part.build()), ErrorCode::kUnsupported,
               "is one part of a model that is split into 3 files; join them first");
  EXPECT_NE(opened(folder.write("m.gguf", TinyLlama().gguf().u32("split.count", 1).build())),
            nullptr);
}

TEST(ModelFile, ATypeThatIsNotReadIsNamedWhenNeeded) {
  TinyLlama tiny;
  tiny.hidden = 256;
  const TemporaryFolder folder;
  auto builder = tiny.gguf();
  builder.tensors[0].type = tests::GgufBuilder::kQ3_K;
  builder.u32("llama.vocab_size", tiny.vocab);
  expect_error(folder.write("m.gguf", builder.build()), ErrorCode::kUnsupported,
               "'token_embd.weight' has the type Q3_K, which is not supported");
}

TEST(ModelFile, QuantizedFoldersAreUnsupported) {
  TinyLlama tiny;
  tiny.config_extra = R"(, "quantization_config": {"quant_method": "gptq", "bits": 4})";
  const TemporaryFolder folder;
  tiny.write_folder(folder);
  expect_error(folder.path(), ErrorCode::kUnsupported, "quantized weights");
}

TEST(ModelFile, ImpossibleSettingsAreNamed) {
  TinyLlama tiny;
  tiny.config_extra = R"(, "partial_rotary_factor": 0.25)";
  const TemporaryFolder folder;
  tiny.write_folder(folder);
  expect_error(folder.path(), ErrorCode::kCorrupt, "RoPE over 1 elements");
}

TEST(ModelFile, ATruncatedGgufIsNamed) {
  const TemporaryFolder folder;
  const std::string file = TinyLlama().gguf().build();
  for (const std::size_t size : {file.size() / 10, file.size() / 3, file.size() / 2}) {
    const auto model = ModelFile::open(folder.write("cut.gguf", file.substr(0, size)));
    ASSERT_FALSE(model.has_value());
    EXPECT_THAT(model.error().message, HasSubstr("cut.gguf: "));
  }
}

}  // namespace
}  // namespace sluice::runtime
