// SPDX-License-Identifier: Apache-2.0
// The main job on the default model, with real processes: the right tokens through two workers.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "runtime/model/model_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"
#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

class Answers : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
    config_ = folder_.write("c.yaml", cluster_yaml()).string();
  }

  // The token ids of each answer, by `sluice run --prompts`.
  std::vector<std::vector<int>> answers(std::vector<std::string> command,
                                        const std::string& output) const {
    command.insert(command.end(), {"--output", output});
    tests::ChildProcess child(command);
    EXPECT_EQ(child.wait(std::chrono::seconds(1200)), 0) << child.error();
    std::vector<std::vector<int>> answers;
    std::istringstream lines(read_file(output));
    for (std::string line; std::getline(lines, line);) {
      answers.push_back(nlohmann::json::parse(line).at("tokens"));
    }
    return answers;
  }

  // `count` slices of a real text, from one token to `longest`; most are short, as in real traffic,
  // and so that a slow machine is done in minutes.
  std::string prompts(int count, double longest) const {
    const auto model = runtime::ModelFile::open(kModel);
    EXPECT_TRUE(model.has_value());
    const auto tokenizer = runtime::Tokenizer::open(**model);
    EXPECT_TRUE(tokenizer.has_value());
    std::string text;
    for (int i = 0; i < 8; ++i) text += read_file(kSource + "/launch/demo_prompt.txt");
    const auto tokens = (*tokenizer)->encode(text);
    std::string lines;
    for (int i = 0; i < count; ++i) {
      const double share = i / (count - 1.0);
      const auto length =
          static_cast<std::size_t>(std::lround(std::pow(longest, std::pow(share, 1.5))));
      const std::size_t first = static_cast<std::size_t>(i) * 7919 % (tokens.size() - length + 1);
      const std::vector<int> slice(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                                   tokens.begin() + static_cast<std::ptrdiff_t>(first + length));
      lines += nlohmann::json(slice).dump() + "\n";
    }
    return lines;
  }

  tests::TemporaryFolder folder_;
  std::string config_;
};

TEST_F(Answers, OfTwoProcessesAreThoseOfOneTokenForToken) {
  constexpr int kPrompts = 100;
  const std::string prompts_file = folder_.write("prompts.jsonl", prompts(kPrompts, 8000)).string();
  const std::vector<std::string> options{"run",          config_, "--prompts",   prompts_file,
                                         "--tokens-max", "16",    "--ignore-end"};
  std::vector<std::string> local{SLUICE_PROGRAM};
  local.insert(local.end(), options.begin(), options.end());
  local.push_back("--local");
  const auto expected = answers(local, (folder_.path() / "local.jsonl").string());
  const auto got =
      answers(cluster_command(3, options), (folder_.path() / "cluster.jsonl").string());
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(kPrompts));
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(expected[i].size(), 16U);
    EXPECT_EQ(got[i], expected[i]) << "prompt " << i;
  }
}

TEST_F(Answers, TheNeedleIsFoundAndTheTableIsThere) {
  tests::ChildProcess child(
      cluster_command(3, {"run", config_, "--prompt-file", kSource + "/launch/demo_prompt.txt"}));
  ASSERT_EQ(child.wait(kPatience), 0) << child.error();
  EXPECT_NE(child.out().find("7419"), std::string::npos) << child.out();
  for (const char* row : {"prompt", "time to first token", "queue", "prefill", "encode", "wire",
                          "decode", "KV raw", "KV on the wire", "link rate", "decode rate"}) {
    EXPECT_NE(child.out().find(row), std::string::npos) << row << "\n" << child.out();
  }
  EXPECT_NE(child.error().find("peak memory"), std::string::npos) << child.error();
}

}  // namespace
}  // namespace sluice::launch
