// SPDX-License-Identifier: Apache-2.0
// What a user gets wrong: one sentence on stderr, a non-zero exit, nothing left running.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string file(const std::string& name, const std::string& text) const {
    write_file(path(name), text);
    return path(name);
  }

  // Runs and checks the shape of the failure; gives the sentence. Ranks whose command line has the
  // configuration's path in it must be gone afterwards.
  std::string sentence(int ranks, const std::string& config, const std::string& prompt) const {
    tests::ChildProcess child(
        cluster_command(ranks, {"run", config, "--prompt-file", prompt, "--tokens-max", "8"}));
    const int code = child.wait(kPatience);
    EXPECT_GT(code, 0) << child.out() << child.error();
    EXPECT_LT(code, 126) << child.error();
    std::string line;
    std::istringstream lines(child.error());
    std::vector<std::string> said;
    while (std::getline(lines, line)) {
      if (line.find("sluice: ") == 0) said.push_back(line.substr(8));
    }
    EXPECT_EQ(said.size(), 1U) << child.error();
    EXPECT_EQ(count_running(config), 0) << "ranks are left running";
    return said.empty() ? "" : said.front();
  }

  static int count_running(const std::string& config) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string command = read_file(entry.path() / "cmdline");
      count += command.find(config) != std::string::npos ? 1 : 0;
    }
    return count;
  }

  void expect_sentence(const std::string& sentence, const std::string& part) const {
    EXPECT_NE(sentence.find(part), std::string::npos) << sentence;
  }

  tests::TemporaryFolder folder_;
};

TEST_F(BadInput, AConfigurationThatIsNotThere) {
  expect_sentence(sentence(3, path("none.yaml"), file("p", "hi")), "none.yaml");
}

TEST_F(BadInput, AYamlTypoNamesKeyLineAndNearestKey) {
  const auto config =
      file("c.yaml", cluster_yaml("[router, prefill, decode]", "decode: { kv_memry: 1GiB }\n"));
  const std::string said = sentence(3, config, file("p", "hi"));
  expect_sentence(said, "kv_memry");
  expect_sentence(said, "kv_memory");
  expect_sentence(said, "3");  // the line
}

TEST_F(BadInput, AModelThatIsNotThere) {
  const auto config = file("c.yaml",
                           "model: { path: /nowhere/model.gguf }\n"
                           "cluster: { ranks: [router, prefill, decode] }\n");
  expect_sentence(sentence(3, config, file("p", "hi")), "/nowhere/model.gguf");
}

TEST_F(BadInput, ATruncatedModel) {
  const std::string whole = read_file(kModel);
  const auto model = file("cut.gguf", whole.substr(0, whole.size() / 2));
  const auto config = file("c.yaml", "model: { path: " + model +
                                         " }\n"
                                         "cluster: { ranks: [router, prefill, decode] }\n");
  expect_sentence(sentence(3, config, file("p", "hi")), "cut.gguf");
}

TEST_F(BadInput, AModelOfAnUnknownArchitecture) {
  std::filesystem::create_directory(path("hf"));
  file("hf/config.json", R"({"architectures": ["PerceptronForCausalLM"], "model_type": "p"})");
  const auto config = file("c.yaml", "model: { path: " + path("hf") +
                                         " }\n"
                                         "cluster: { ranks: [router, prefill, decode] }\n");
  expect_sentence(sentence(3, config, file("p", "hi")), "PerceptronForCausalLM");
}

TEST_F(BadInput, APromptLongerThanTheContext) {
  std::string text;
  for (int i = 0; i < 9000; ++i) text += "word ";
  const auto config = file("c.yaml", cluster_yaml());
  expect_sentence(sentence(3, config, file("p", text)), "context of 8192");
}

TEST_F(BadInput, AnEmptyPrompt) {
  const auto config = file("c.yaml", cluster_yaml());
  expect_sentence(sentence(3, config, file("p", " \n")), "is empty");
}

TEST_F(BadInput, APromptThatIsNotUtf8) {
  const auto config = file("c.yaml", cluster_yaml());
  expect_sentence(sentence(3, config, file("p", "caf\xe9")), "is not UTF-8");
}

TEST_F(BadInput, APromptThatIsNotThere) {
  const auto config = file("c.yaml", cluster_yaml());
  expect_sentence(sentence(3, config, path("none.txt")), "none.txt");
}

TEST_F(BadInput, TooFewRanks) {
  const auto config = file("c.yaml", cluster_yaml());
  expect_sentence(sentence(2, config, file("p", "hi")), "names 3 ranks and 2 were started");
}

TEST_F(BadInput, NoMemoryForTheArena) {
  const auto config = file(
      "c.yaml", cluster_yaml("[router, prefill, decode]", "decode: { arena_memory: 900GiB }\n"));
  const std::string said = sentence(3, config, file("p", "hi"));
  expect_sentence(said, "rank 2 (decode)");
  expect_sentence(said, "arena_memory");
}

TEST_F(BadInput, NoMemoryForTheCache) {
  const auto config =
      file("c.yaml", cluster_yaml("[router, prefill, decode]", "decode: { kv_memory: 900GiB }\n"));
  expect_sentence(sentence(3, config, file("p", "hi")), "rank 2 (decode)");
}

TEST_F(BadInput, WithoutMpirun) {
  const auto config = file("c.yaml", cluster_yaml());
  tests::ChildProcess child({SLUICE_PROGRAM, "run", config, "--prompt-file", file("p", "hi")});
  EXPECT_EQ(child.wait(kPatience), 1);
  expect_sentence(child.error(), "mpirun -n 3");
}

TEST_F(BadInput, AnUnknownOption) {
  tests::ChildProcess child({SLUICE_PROGRAM, "run", "--warp", "9"});
  EXPECT_NE(child.wait(kPatience), 0);
}

}  // namespace
}  // namespace sluice::launch
