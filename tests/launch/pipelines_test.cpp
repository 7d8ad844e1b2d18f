// SPDX-License-Identifier: Apache-2.0
// Every preset end to end, with real processes: calibrated, through two workers, and the same
// tokens as in one process.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/config/pipeline_config.hpp"
#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kLongPatience{1200};

class Pipelines : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  }

  std::string in_folder(const char* name) const { return (folder_.path() / name).string(); }

  // One passage is enough for every preset to be there; quality is not what is tested.
  void calibrate(const std::string& profile) const {
    tests::ChildProcess child(
        {SLUICE_PROGRAM, "codec", "calibrate", kModel, "--passages", "1", "--output", profile});
    ASSERT_EQ(child.wait(kLongPatience), 0) << child.error();
  }

  // The answer lines of `sluice run --prompts`.
  static std::vector<Json> answers(std::vector<std::string> command, const std::string& output) {
    command.insert(command.end(), {"--output", output});
    tests::ChildProcess child(command);
    EXPECT_EQ(child.wait(kLongPatience), 0) << child.error();
    std::vector<Json> answers;
    std::istringstream lines(read_file(output));
    for (std::string line; std::getline(lines, line);) answers.push_back(Json::parse(line));
    return answers;
  }

  tests::TemporaryFolder folder_;
};

// The end of the demo's text with its question: long enough that no window covers all of it.
std::string question() {
  const std::string text = read_file(kSource + "/launch/demo_prompt.txt");
  return text.substr(text.find("\n10. ") + 1);
}

void expect_compressed(const Json& timeline, const std::string& name) {
  EXPECT_EQ(timeline.at("pipeline"), name);
  const double raw = timeline.at("kv_bytes_raw");
  const double wire = timeline.at("kv_bytes_wire");
  EXPECT_GT(wire, 0.0) << name;
  if (name == "raw") {
    EXPECT_LT(wire, 1.01 * raw);  // what frames say besides
  } else {
    EXPECT_LT(wire, raw) << name;
  }
}

TEST_F(Pipelines, EveryPresetGoesThroughBothWorkersAndAnswersAsOneProcessDoes) {
  calibrate(in_folder("profile.safetensors"));
  if (HasFatalFailure()) return;
  const std::string config =
      folder_
          .write("c.yaml",
                 cluster_yaml("[router, prefill, decode]",
                              "pipeline: { profile: " + in_folder("profile.safetensors") + " }\n"))
          .string();
  const auto presets = runtime::preset_names(kSource + "/configs/pipelines");
  ASSERT_GE(presets.size(), 25U);
  std::string lines;
  for (const std::string& name : presets) {
    const Json line{{"prompt", question()}, {"pipeline", name}, {"question_tokens", 16}};
    lines += line.dump() + "\n";
  }
  const std::string prompts = folder_.write("prompts.jsonl", lines).string();
  const std::vector<std::string> options{"run",          config, "--prompts",   prompts,
                                         "--tokens-max", "12",   "--ignore-end"};
  std::vector<std::string> local{SLUICE_PROGRAM};
  local.insert(local.end(), options.begin(), options.end());
  local.push_back("--local");
  const auto expected = answers(local, in_folder("local.jsonl"));
  const auto got = answers(cluster_command(3, options), in_folder("cluster.jsonl"));
  ASSERT_EQ(expected.size(), presets.size());
  ASSERT_EQ(got.size(), presets.size());
  for (std::size_t i = 0; i < presets.size(); ++i) {
    EXPECT_EQ(got[i].at("tokens").size(), 12U) << presets[i];
    EXPECT_EQ(got[i].at("tokens"), expected[i].at("tokens")) << presets[i];
    expect_compressed(got[i].at("timeline"), presets[i]);
    EXPECT_EQ(got[i].at("timeline").at("kv_bytes_wire"),
              expected[i].at("timeline").at("kv_bytes_wire"))
        << presets[i];
  }
}

}  // namespace
}  // namespace sluice::launch
