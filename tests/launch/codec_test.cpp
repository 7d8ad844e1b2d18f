// SPDX-License-Identifier: Apache-2.0
// `sluice codec` as a user has it: from a prompt to a cache, to frames, to a report, and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

using ::testing::HasSubstr;

class Codec : public ::testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string out;
    std::string error;
  };
  static Outcome codec(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {SLUICE_PROGRAM, "codec"});
    tests::ChildProcess child(arguments);
    const int code = child.wait(kPatience);
    return {code, child.out(), child.error()};
  }
  std::string in_folder(const char* name) const { return (folder_.path() / name).string(); }

  tests::TemporaryFolder folder_;
};

TEST_F(Codec, ListsStagesAndPresets) {
  const Outcome list = codec({"list"});
  ASSERT_EQ(list.code, 0) << list.error;
  for (const char* name : {"q2c", "rtn", "rans", "Presets", "cachegen", "best"}) {
    EXPECT_THAT(list.out, HasSubstr(name));
  }
}

TEST_F(Codec, ACacheGoesToFramesAndBack) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const std::string text = read_file(kSource + "/launch/demo_prompt.txt");
  const std::string prompt = folder_.write("p.txt", text.substr(text.find("\n14. ") + 1)).string();
  const std::string cache = in_folder("cache.safetensors");
  const std::string frames = in_folder("cache.frames");

  const Outcome dump = codec({"dump", kModel, "--prompt-file", prompt, "--output", cache});
  ASSERT_EQ(dump.code, 0) << dump.error;
  EXPECT_THAT(dump.out, HasSubstr("tokens of 30 layers"));

  const Outcome encode = codec(
      {"encode", cache, "--pipeline", "q2c+int4", "--question-tokens", "16", "--output", frames});
  ASSERT_EQ(encode.code, 0) << encode.error;
  EXPECT_THAT(encode.out, HasSubstr("times fewer than BF16"));

  const Outcome inspect = codec({"inspect", frames, "--cache", cache});
  ASSERT_EQ(inspect.code, 0) << inspect.error;
  EXPECT_THAT(inspect.out, HasSubstr("pipeline q2c+int4"));
  EXPECT_THAT(inspect.out, HasSubstr("\n   29 "));
  EXPECT_THAT(inspect.out, HasSubstr("\n  all "));

  const std::string decoded = in_folder("decoded.safetensors");
  const Outcome decode = codec({"decode", frames, "--output", decoded});
  ASSERT_EQ(decode.code, 0) << decode.error;
  EXPECT_EQ(std::filesystem::exists(decoded), true);

  const Outcome compare = codec({"compare", cache, "--json", "--pipelines", "raw", "int8", "int2"});
  ASSERT_EQ(compare.code, 0) << compare.error;
  const auto rows = nlohmann::json::parse(compare.out);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0]["key_error"], 0.0);
  EXPECT_LT(rows[1]["attention_error"], rows[2]["attention_error"]);
  EXPECT_GT(rows[2]["ratio"], rows[1]["ratio"]);
}

TEST_F(Codec, SaysInASentenceWhatIsWrong) {
  const Outcome missing = codec({"inspect", in_folder("none")});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.error, HasSubstr("none cannot be read"));
  const std::string text = folder_.write("t.txt", "not a cache").string();
  const Outcome foreign = codec({"encode", text, "--pipeline", "int4", "--output", in_folder("o")});
  EXPECT_EQ(foreign.code, 1);
  EXPECT_THAT(foreign.error, HasSubstr("t.txt"));
  EXPECT_EQ(std::filesystem::exists(in_folder("o")), false);
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const Outcome unknown = codec({"calibrate", kModel, "--pipelines", "klt", "--output", text});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.error, HasSubstr("klt"));
  EXPECT_EQ(read_file(text), "not a cache");
}

TEST_F(Codec, CalibratesOnceForWhatIsAskedOf) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  const std::string texts =
      folder_.write("t.txt", read_file(kSource + "/launch/demo_prompt.txt")).string();
  const std::string profile = in_folder("profile.safetensors");
  const std::vector<std::string> command{"calibrate",    kModel,     "--text",      texts,
                                         "--passages",   "1",        "--pipelines", "kvtc",
                                         "--if-missing", "--output", profile};
  const Outcome first = codec(command);
  ASSERT_EQ(first.code, 0) << first.error;
  EXPECT_THAT(first.out, HasSubstr("from 1 prompts"));
  const Outcome again = codec(command);
  ASSERT_EQ(again.code, 0) << again.error;
  EXPECT_THAT(again.out, HasSubstr("there already"));
}

}  // namespace
}  // namespace sluice::launch
