// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/chat_template.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/model/gguf_file.hpp"
#include "runtime/tokenizer/chat_family.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// Written by make_chat_template_cases.py.
Json read_cases() {
  std::ifstream file(SLUICE_SOURCE_DIR "/tests/runtime/tokenizer/chat_template_cases.json");
  return Json::parse(file);
}

std::vector<ChatMessage> chat_of(const Json& chat) {
  std::vector<ChatMessage> messages;
  for (const auto& message : chat) messages.push_back({message.at(0), message.at(1)});
  return messages;
}

TEST(ChatTemplate, RendersAsJinjaDoes) {
  const Json cases = read_cases();
  std::size_t compared = 0;
  for (const auto& known : cases.at("templates")) {
    const auto family = known.at("family").get<std::string>();
    std::size_t render = 0;
    for (const auto& chat : cases.at("chats")) {
      const auto messages = chat_of(chat);
      for (const bool prompt : {false, true}) {
        const Json& expected = known.at("renders").at(render++);
        const auto text = render_chat(family, messages, prompt);
        ASSERT_EQ(text.has_value(), !expected.is_null()) << family << " " << chat;
        if (text) {
          EXPECT_EQ(*text, expected.get<std::string>()) << family << " " << chat;
        } else {
          EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
        }
        ++compared;
      }
    }
  }
  EXPECT_GE(compared, 200U);
}

TEST(ChatTemplate, RecognisesEachPublishedText) {
  const Json cases = read_cases();
  for (const auto& known : cases.at("templates")) {
    const auto fingerprint = std::stoull(known.at("fingerprint").get<std::string>(), nullptr, 16);
    const ChatFamily* family = find_chat_family_by_fingerprint(fingerprint);
    ASSERT_NE(family, nullptr) << known.at("model");
    EXPECT_EQ(family->name, known.at("family").get<std::string>());
  }
}

TEST(ChatTemplate, RecognisesTheDefaultModelsText) {
  if (std::string_view(SLUICE_DEFAULT_MODEL).empty()) GTEST_SKIP() << "no default model";
  const auto gguf = GgufFile::open(SLUICE_DEFAULT_MODEL);
  ASSERT_TRUE(gguf) << gguf.error().message;
  const auto jinja = (*gguf)->text("tokenizer.chat_template").value();
  const std::vector<ChatMessage> chat = {{"user", "Hi"}};
  EXPECT_EQ(render_chat(jinja, chat, true).value(), render_chat("smollm2", chat, true).value());
  // Not one character may differ.
  const auto changed = render_chat(jinja + " ", chat, true);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, ErrorCode::kUnsupported);
}

TEST(ChatTemplate, AnUnknownTextNamesTheFamiliesAndTheKey) {
  const std::vector<ChatMessage> chat = {{"user", "Hi"}};
  for (const char* text : {"{{ messages }}", ""}) {
    const auto result = render_chat(text, chat, true);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(result.error().message, HasSubstr("model.chat_template"));
    for (const char* family : {"chatml", "smollm2", "llama3", "llama2", "mistral", "yi"}) {
      EXPECT_THAT(result.error().message, HasSubstr(family));
    }
  }
}

TEST(ChatTemplate, RefusesChatsItCannotRender) {
  const std::vector<ChatMessage> tool = {{"tool", "42"}};
  const std::vector<ChatMessage> late_system = {{"user", "a"}, {"system", "b"}};
  EXPECT_EQ(render_chat("chatml", {}, true).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(render_chat("chatml", tool, true).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(render_chat("yi", late_system, true).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(render_chat("llama2", late_system, true).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
