// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/json_vocabulary.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/runtime/tokenizer/json_fixture.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

template <class Change>
ErrorCode code_of(Change change) {
  Json json = byte_level_json();
  change(json);
  const auto data = read_json_vocabulary(json.dump());
  EXPECT_FALSE(data) << json.dump().substr(0, 200);
  return data ? ErrorCode::kInternal : data.error().code;
}

TEST(JsonVocabulary, ReadsByteLevel) {
  const auto data = read_json_vocabulary(byte_level_json().dump()).value();
  EXPECT_TRUE(data.byte_level);
  EXPECT_EQ(data.pieces.size(), 260U);
  EXPECT_EQ(data.merges.size(), 2U);
  EXPECT_EQ(data.merges[1].merged, 257);
  EXPECT_THAT(data.prefix, ElementsAre(259));
  EXPECT_TRUE(data.suffix.empty());
  EXPECT_THAT(data.end_of_text, ElementsAre(258));
}

TEST(JsonVocabulary, ReadsMergesAsPairsToo) {
  Json json = byte_level_json();
  json["model"]["merges"] = Json::parse(R"([["h", "e"], ["he", "y"]])");
  EXPECT_EQ(read_json_vocabulary(json.dump()).value().merges.size(), 2U);
}

TEST(JsonVocabulary, OtherModelsAreNotSupported) {
  EXPECT_EQ(code_of([](Json& j) { j["model"]["type"] = "Unigram"; }), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }),
            ErrorCode::kUnsupported);
}

TEST(JsonVocabulary, LiesAreErrors) {
  const auto corrupts = [](auto change) { EXPECT_EQ(code_of(change), ErrorCode::kCorrupt); };
  corrupts([](Json& j) { j = Json::array(); });
  corrupts([](Json& j) { j.erase("model"); });
  corrupts([](Json& j) { j["model"].erase("vocab"); });
  corrupts([](Json& j) { j["model"]["vocab"] = 3; });
  corrupts([](Json& j) { j["model"]["vocab"]["he"] = -1; });
  corrupts([](Json& j) { j["model"]["vocab"]["he"] = 1LL << 40; });
  corrupts([](Json& j) { j["model"]["vocab"]["he"] = "x"; });
  corrupts([](Json& j) { j["model"]["vocab"]["he"] = 257; });
  corrupts([](Json& j) { j["model"]["merges"] = "h e"; });
  corrupts([](Json& j) { j["model"]["merges"][0] = "h e y"; });
  corrupts([](Json& j) { j["model"]["merges"][0] = "zz e"; });
  corrupts([](Json& j) { j["model"]["merges"][0] = 7; });
  corrupts([](Json& j) { j["model"]["unk_token"] = "<none>"; });
  corrupts([](Json& j) { j["added_tokens"][0]["id"] = 5; });
  corrupts([](Json& j) { j["added_tokens"][0].erase("content"); });
  corrupts([](Json& j) { j["pre_tokenizer"] = 4; });
}

TEST(JsonVocabulary, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "nonsense", "{\"model\": \"\xFF\"}"}) {
    EXPECT_EQ(read_json_vocabulary(text).error().code, ErrorCode::kCorrupt);
  }
}

// Copying and writing such a value overflowed the stack.
TEST(JsonVocabulary, DeepNestingIsRefused) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  std::string text = byte_level_json().dump();
  const std::string before = "\"normalizer\":";
  text.replace(text.find(before + "null"), before.size() + 4, before + deep);
  const auto data = read_json_vocabulary(text);
  ASSERT_FALSE(data.has_value());
  EXPECT_EQ(data.error().message, "The tokenizer.json nests too deeply.");
}

TEST(JsonVocabulary, MutationsNeverCrash) {
  std::mt19937 random(5);
  const std::string good = byte_level_json().dump();
  std::size_t works = 0;
  for (int round = 0; round < 400; ++round) {
    std::string text = good;
    const std::size_t changes = 1 + random() % 3;
    // Most of the text is the vocabulary, so every second change is made in the rest.
    for (std::size_t i = 0; i < changes; ++i) {
      const std::size_t range =
          round % 2 == 0 ? text.size() : std::min<std::size_t>(text.size(), 900);
      const std::size_t at = random() % range;
      if (random() % 3 == 0) {
        text.erase(at, random() % 20);
      } else {
        text[at] = "0123456789\"{}[],:abz-"[random() % 21];
      }
    }
    auto data = read_json_vocabulary(text);
    if (!data) {
      EXPECT_FALSE(data.error().message.empty());
      continue;
    }
    const auto tokenizer = make_tokenizer(std::move(*data));
    if (!tokenizer) continue;
    ++works;
    for (const TokenId id : (*tokenizer)->encode("hey <bos>\xFF 1")) {
      ASSERT_TRUE(id >= 0 && id < (*tokenizer)->vocab_size());
    }
  }
  EXPECT_GT(works, 20U);
}

}  // namespace
}  // namespace sluice::runtime
