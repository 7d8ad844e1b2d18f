// SPDX-License-Identifier: Apache-2.0
// `sluice diagnose` as a user has it: reports, the profile, and a sentence for what is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/model/model_file.hpp"
#include "runtime/model/profile_file.hpp"
#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_model_file.hpp"

namespace sluice::launch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Diagnose : public ::testing::Test {
 protected:
  struct Ended {
    int code = 0;
    std::string out;
    std::string error;
  };
  // Two items of the slices that come along.
  Ended diagnose(const std::string& model, std::vector<std::string> more) {
    std::vector<std::string> arguments{
        SLUICE_PROGRAM, "diagnose", model,       "--items",         "2",
        "--threads",    "1",        "--profile", profile().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (std::find(more.begin(), more.end(), "--output") == more.end()) {
      arguments.insert(arguments.end(), {"--output", output().string()});
    }
    if (std::find(more.begin(), more.end(), "--tasks") == more.end()) {
      arguments.insert(arguments.end(), {"--tasks", "mmlu"});
    }
    tests::ChildProcess child(arguments);
    const int code = child.wait(kPatience);
    return {code, child.out(), child.error()};
  }
  std::string model_of(const tests::TinyModelShape& shape) {
    return folder_.write("tiny.gguf", tests::TinyModelFile(shape).build()).string();
  }
  // A sentence, and nothing written.
  void expect_error(const std::string& model, std::vector<std::string> more,
                    const std::string& words) {
    const Ended ended = diagnose(model, std::move(more));
    EXPECT_NE(ended.code, 0);
    EXPECT_THAT(ended.error, HasSubstr(words));
    EXPECT_FALSE(std::filesystem::exists(output() / "diagnosis.json"));
    EXPECT_FALSE(std::filesystem::exists(profile()));
  }
  std::filesystem::path output() const { return folder_.path() / "out"; }
  std::filesystem::path profile() const { return folder_.path() / "profile.safetensors"; }

  tests::TemporaryFolder folder_;
};

TEST_F(Diagnose, ReportsEveryLayerAndWritesTheProfile) {
  const std::string model = model_of({});
  const Ended ended = diagnose(model, {"--bits", "4,2"});
  ASSERT_EQ(ended.code, 0) << ended.error;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("4 bits ("), HasSubstr("2 bits ("),
                               HasSubstr("fragile layers: none")));
  EXPECT_THAT(ended.error, HasSubstr("quantizing layer by layer 100 %"));
  const auto report = nlohmann::json::parse(read_file(output() / "diagnosis.json"));
  EXPECT_EQ(report["items"].size(), 2U);
  ASSERT_EQ(report["widths"].size(), 2U);
  EXPECT_EQ(report["widths"][1]["layers"].size(), 2U);
  EXPECT_GT(report["widths"][1]["all"]["kl"], report["widths"][0]["all"]["kl"]);
  EXPECT_THAT(read_file(output() / "diagnosis.md"), HasSubstr("](./diagnosis-2bit.svg)"));
  EXPECT_THAT(read_file(output() / "diagnosis.svg"), HasSubstr("<svg"));
  EXPECT_TRUE(std::filesystem::exists(output() / "diagnosis-2bit.svg"));
  const auto file = runtime::ModelFile::open(model);
  ASSERT_TRUE(file);
  const auto written = runtime::load_profile(profile(), (*file)->fingerprint());
  ASSERT_TRUE(written) << written.error().message;
  const auto fragile = written->find("fragile_layers");
  ASSERT_TRUE(fragile);
  EXPECT_EQ(fragile->dtype, DType::kI32);
  EXPECT_EQ(fragile->elements(), 0);
}

// What else a profile holds stays.
TEST_F(Diagnose, AddsToAProfile) {
  const std::string model = model_of({});
  const auto file = runtime::ModelFile::open(model);
  ASSERT_TRUE(file);
  kernels::Profile before;
  before.model_fingerprint = (*file)->fingerprint();
  const std::vector<std::int32_t> numbers{3, 1};
  before.put("other", DType::kI32, {2}, std::as_bytes(std::span(numbers)));
  before.put("fragile_layers", DType::kI32, {2}, std::as_bytes(std::span(numbers)));
  ASSERT_TRUE(runtime::save_profile(profile(), before));
  const Ended kept = diagnose(model, {"--bits", "4", "--no-write"});
  ASSERT_EQ(kept.code, 0) << kept.error;
  EXPECT_EQ(runtime::load_profile(profile(), before.model_fingerprint)->hash(), before.hash());
  const Ended ended = diagnose(model, {"--bits", "4"});
  ASSERT_EQ(ended.code, 0) << ended.error;
  const auto written = runtime::load_profile(profile(), before.model_fingerprint);
  ASSERT_TRUE(written);
  EXPECT_TRUE(written->find("other"));
  EXPECT_EQ(written->find("fragile_layers")->elements(), 0);
}

// Random weights, so the figures say nothing; heads, groups, widths and biases are those of the
// models that the survey diagnoses. Layers are fewer and the residual stream is narrow.
class DiagnoseShapes : public Diagnose,
                       public ::testing::WithParamInterface<tests::TinyModelShape> {};

TEST_P(DiagnoseShapes, RunsEndToEnd) {
  const Ended ended = diagnose(model_of(GetParam()), {"--bits", "4"});
  ASSERT_EQ(ended.code, 0) << ended.error;
  const auto report = nlohmann::json::parse(read_file(output() / "diagnosis.json"));
  const auto& width = report["widths"][0];
  ASSERT_EQ(width["layers"].size(), GetParam().layers);
  EXPECT_EQ(width["full"]["kl"], 0.0);
  EXPECT_GT(width["all"]["kl"], 0.0);
  for (const auto& layer : width["layers"]) EXPECT_GT(layer["alone"]["kl"], 0.0);
}

INSTANTIATE_TEST_SUITE_P(Models, DiagnoseShapes,
                         ::testing::Values(
                             // Qwen-7B: as many KV heads as heads, biases.
                             tests::TinyModelShape{3, 4, 4, 128, true},
                             // Qwen2-7B: 28 heads over 4, biases.
                             tests::TinyModelShape{3, 28, 4, 128, true},
                             // Yi-6B: 32 heads over 4.
                             tests::TinyModelShape{3, 32, 4, 128, false},
                             // Mistral-7B: 32 heads over 8.
                             tests::TinyModelShape{3, 32, 8, 128, false}));

TEST_F(Diagnose, SaysInASentenceWhatIsWrong) {
  const std::string model = model_of({});
  expect_error(folder_.path() / "none.gguf", {}, "none.gguf");
  expect_error(model, {"--tasks", "chess"}, "there is no task");
  expect_error(model, {"--data", folder_.path() / "nowhere"}, "nowhere");
  expect_error(model, {"--bits", "9"}, "--bits");
  expect_error(model, {"--bits", "four"}, "--bits");
  expect_error(model, {"--threads", "-1"}, "--threads");
  // Ten paragraphs, and this model has a token for each byte.
  expect_error(model, {"--tasks", "hotpotqa"}, "no item of these tasks fits");
  const std::string text = folder_.write("text", "not a folder").string();
  expect_error(model, {"--output", text + "/out"}, "cannot make the folder");
}

// Known before minutes of work: a profile that could not be written to.
TEST_F(Diagnose, AForeignProfileIsRefused) {
  kernels::Profile foreign;
  foreign.model_fingerprint = 1;
  ASSERT_TRUE(runtime::save_profile(profile(), foreign));
  const Ended ended = diagnose(model_of({}), {"--bits", "4"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.error, HasSubstr("of another model"));
  EXPECT_FALSE(std::filesystem::exists(output() / "diagnosis.json"));
  EXPECT_EQ(runtime::load_profile(profile(), 1)->hash(), foreign.hash());
}

}  // namespace
}  // namespace sluice::launch
