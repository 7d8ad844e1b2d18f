// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/weight_table.hpp"

#include <gmock/gmock.h>

#include <map>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;

// Tensors whose shapes are given and whose bytes are one shared block of zeros.
class FakeTensors final : public TensorSource {
 public:
  void put(const std::string& name, std::vector<std::int64_t> shape, DType dtype = DType::kF32) {
    TensorView view{zeros_, dtype, static_cast<int>(shape.size()), {}};
    std::copy(shape.begin(), shape.end(), view.shape.begin());
    views_[name] = view;
  }
  void put_unread(const std::string& name, const std::string& type) {
    views_.erase(name);
    unread_[name] = type;
  }
  void remove(const std::string& name) { views_.erase(name); }
  void put_ones(const std::string& name, std::vector<std::int64_t> shape) {
    put(name, std::move(shape));
    views_[name].data = reinterpret_cast<const std::byte*>(ones_);
  }

  std::optional<TensorView> tensor(std::string_view name) const override {
    const auto found = views_.find(std::string(name));
    return found != views_.end() ? std::optional(found->second) : std::nullopt;
  }
  std::optional<std::string> unread_type(std::string_view name) const override {
    const auto found = unread_.find(std::string(name));
    return found != unread_.end() ? std::optional(found->second) : std::nullopt;
  }
  std::vector<std::string> tensor_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, view] : views_) names.push_back(name);
    for (const auto& [name, type] : unread_) names.push_back(name);
    return names;
  }

 private:
  alignas(float) std::byte zeros_[4096] = {};
  float ones_[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  std::map<std::string, TensorView> views_;
  std::map<std::string, std::string> unread_;
};

class WeightTableTest : public ::testing::Test {
 protected:
  WeightTableTest() {
    spec_.layers = 1;
    spec_.hidden = 16;
    spec_.heads = 4;
    spec_.kv_heads = 2;
    spec_.head_dim = 4;
    spec_.ffn = 24;
    spec_.vocab = 10;
    spec_.rope.dims = 4;
    spec_.tied_embeddings = true;
    tensors_.put("model.embed_tokens.weight", {10, 16});
    tensors_.put("model.norm.weight", {16});
    tensors_.put(kLayer + "input_layernorm.weight", {16});
    tensors_.put(kLayer + "self_attn.q_proj.weight", {16, 16});
    tensors_.put(kLayer + "self_attn.k_proj.weight", {8, 16});
    tensors_.put(kLayer + "self_attn.v_proj.weight", {8, 16});
    tensors_.put(kLayer + "self_attn.o_proj.weight", {16, 16});
    tensors_.put(kLayer + "post_attention_layernorm.weight", {16});
    tensors_.put(kLayer + "mlp.gate_proj.weight", {24, 16});
    tensors_.put(kLayer + "mlp.up_proj.weight", {24, 16});
    tensors_.put(kLayer + "mlp.down_proj.weight", {16, 24});
  }

  Result<WeightTable> bind() const {
    return WeightTable::bind(tensors_, architectures().front(), spec_, NameStyle::kHuggingFace,
                             "folder");
  }
  void expect_error(ErrorCode code, const char* part) const {
    const auto table = bind();
    ASSERT_FALSE(table.has_value()) << part;
    EXPECT_EQ(table.error().code, code) << table.error().message;
    EXPECT_THAT(table.error().message, HasSubstr(part));
  }

  const std::string kLayer = "model.layers.0.";
  ModelSpec spec_;
  FakeTensors tensors_;
};

TEST_F(WeightTableTest, BindsEveryRole) {
  const auto table = bind();
  ASSERT_TRUE(table.has_value()) << table.error().message;
  EXPECT_EQ(table->find(WeightRole::kKey, 0)->shape[0], 8);
  EXPECT_EQ(table->find(WeightRole::kDown, 0)->shape[1], 24);
  EXPECT_FALSE(table->find(WeightRole::kKey, 1).has_value());
  EXPECT_FALSE(table->find(WeightRole::kQueryBias, 0).has_value());
  EXPECT_EQ(table->find(WeightRole::kOutput, 0)->data,
            table->find(WeightRole::kTokenEmbedding, 0)->data);
}

TEST_F(WeightTableTest, AMissingWeightIsNamed) {
  tensors_.remove(kLayer + "mlp.up_proj.weight");
  expect_error(ErrorCode::kNotFound,
               "folder: the tensor 'model.layers.0.mlp.up_proj.weight' is missing");
}

TEST_F(WeightTableTest, AMissingLayerIsNamed) {
  spec_.layers = 2;
  expect_error(ErrorCode::kNotFound, "'model.layers.1.input_layernorm.weight' is missing");
}

TEST_F(WeightTableTest, AWrongShapeIsNamed) {
  tensors_.put(kLayer + "self_attn.k_proj.weight", {16, 16});
  expect_error(ErrorCode::kCorrupt,
               "has the shape [16, 16], but the model's settings want [8, 16]");
  tensors_.put(kLayer + "self_attn.k_proj.weight", {8, 16, 1});
  expect_error(ErrorCode::kCorrupt, "has the shape [8, 16, 1]");
}

TEST_F(WeightTableTest, AnUnreadTypeIsNamed) {
  tensors_.put_unread(kLayer + "mlp.up_proj.weight", "Q3_K");
  expect_error(ErrorCode::kUnsupported, "has the type Q3_K, which is not supported");
}

TEST_F(WeightTableTest, NormsInBlocksAreUnsupported) {
  tensors_.put("model.norm.weight", {16}, DType::kQ8_0);
  expect_error(ErrorCode::kUnsupported, "has the type q8_0, which is not supported for it");
}

TEST_F(WeightTableTest, AMatrixOfIntegersIsNoWeight) {
  tensors_.put("model.embed_tokens.weight", {10, 16}, DType::kU8);
  expect_error(ErrorCode::kUnsupported, "has the type u8, which is not supported for it");
}

TEST_F(WeightTableTest, AnUntiedOutputIsNeeded) {
  spec_.tied_embeddings = false;
  expect_error(ErrorCode::kNotFound, "'lm_head.weight' is missing");
  tensors_.put("lm_head.weight", {10, 16});
  EXPECT_TRUE(bind().has_value());
}

TEST_F(WeightTableTest, AStoredCopyOfATiedOutputIsNotUsed) {
  tensors_.put_ones("lm_head.weight", {10, 16});
  const auto table = bind();
  ASSERT_TRUE(table.has_value()) << table.error().message;
  EXPECT_EQ(table->find(WeightRole::kOutput, 0)->data,
            table->find(WeightRole::kTokenEmbedding, 0)->data);
}

TEST_F(WeightTableTest, BiasesAreThereExactlyWhenTheSpecSaysSo) {
  tensors_.put(kLayer + "self_attn.q_proj.bias", {16});
  tensors_.put(kLayer + "self_attn.k_proj.bias", {8});
  expect_error(ErrorCode::kUnsupported, "_proj.bias' has no use");
  spec_.attention_bias = true;
  expect_error(ErrorCode::kNotFound, "v_proj.bias' is missing");
  tensors_.put(kLayer + "self_attn.v_proj.bias", {8});
  const auto table = bind();
  ASSERT_TRUE(table.has_value()) << table.error().message;
  EXPECT_TRUE(table->find(WeightRole::kValueBias, 0).has_value());
}

TEST_F(WeightTableTest, AnOutputBiasMustBeZero) {
  tensors_.put(kLayer + "self_attn.o_proj.bias", {16});
  EXPECT_TRUE(bind().has_value());
  tensors_.put_ones(kLayer + "self_attn.o_proj.bias", {16});
  expect_error(ErrorCode::kUnsupported, "and it is not zero");
}

TEST_F(WeightTableTest, TensorsWithoutAUseAreRefused) {
  tensors_.put(kLayer + "self_attn.rotary_emb.inv_freq", {2});
  EXPECT_TRUE(bind().has_value());
  tensors_.put(kLayer + "self_attn.q_norm.weight", {4});
  expect_error(ErrorCode::kUnsupported, "'model.layers.0.self_attn.q_norm.weight' has no use");
}

TEST_F(WeightTableTest, OldYiNamesAreFound) {
  tensors_.remove(kLayer + "input_layernorm.weight");
  tensors_.remove(kLayer + "post_attention_layernorm.weight");
  tensors_.put(kLayer + "ln1.weight", {16});
  tensors_.put(kLayer + "ln2.weight", {16});
  EXPECT_TRUE(bind().has_value());
}

}  // namespace
}  // namespace sluice::runtime
