// SPDX-License-Identifier: Apache-2.0
// A tiny model that can be asked: engines, and items as no data set has them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/measure.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_model_file.hpp"

namespace sluice::runtime {

class TinyEvaluation : public ::testing::Test {
 protected:
  void SetUp() override {
    auto file = ModelFile::open(folder_.write("tiny.gguf", tests::TinyModelFile().build()));
    ASSERT_TRUE(file) << file.error().message;
    file_ = std::move(*file);
    auto tokenizer = Tokenizer::open(*file_);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::move(*tokenizer);
    model_ = {file_.get(), tokenizer_.get(),
              [this](const std::string& text) -> Result<std::vector<TokenId>> {
                return tokenizer_->encode(text, {.add_special = false});
              }};
  }

  // Engines are made when a test wants them.
  PrefillEngine& prefill() {
    if (!prefill_) {
      prefill_ =
          std::move(PrefillEngine::create(*file_, *engine_options("cpu", "f32", 1), {}).value());
    }
    return *prefill_;
  }
  DecodeEngine& decode() {
    if (!decode_) decode_ = std::move(DecodeEngine::create(*file_, {.threads = 1}).value());
    return *decode_;
  }

  Reference reference(const EvaluationItem& item) {
    auto made = make_reference(item, model_, prefill(), decode());
    EXPECT_TRUE(made) << made.error().message;
    return std::move(made.value());
  }

  static EvaluationItem question(const std::string& id) {
    EvaluationItem item;
    item.task = "squad";
    item.id = id;
    item.prompt = "A story of " + id + " that goes on for a while, and then a while more. Who?";
    item.question = "Who?";
    item.answers = {"Ann", "Anna"};
    return item;
  }

  static EvaluationItem choice() {
    EvaluationItem item = question("letters");
    item.task = "mmlu";
    item.choices = {"A", "B", "C", "D"};
    item.answers = {"B"};
    return item;
  }

  static kernels::PipelineSpec pipeline(const std::string& stages, const std::string& name = "p") {
    auto spec = parse_pipeline("name: " + name + "\nsummary: s\nstages: [" + stages + "]\n", "p");
    EXPECT_TRUE(spec) << spec.error().message;
    return spec.value();
  }

  tests::TemporaryFolder folder_;
  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Tokenizer> tokenizer_;
  EvaluationModel model_;

 private:
  std::unique_ptr<PrefillEngine> prefill_;
  std::unique_ptr<DecodeEngine> decode_;
};

}  // namespace sluice::runtime
