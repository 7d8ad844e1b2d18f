// SPDX-License-Identifier: Apache-2.0
// A small tokenizer.json to read, to spoil and to put in a folder.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/tokenizer/byte_alphabet.hpp"

namespace sluice::runtime {

// Byte level: 0-255 the bytes, 256 "he", 257 "hey"; added 258 "<|eot_id|>" (special), 259 "<bos>".
inline nlohmann::json byte_level_json() {
  nlohmann::json vocab;
  for (int byte = 0; byte < 256; ++byte) {
    vocab[alphabet_character(static_cast<std::uint8_t>(byte))] = byte;
  }
  vocab["he"] = 256;
  vocab["hey"] = 257;
  const auto added = [](int id, const char* content) {
    return nlohmann::json{{"id", id},           {"content", content}, {"special", true},
                          {"lstrip", false},    {"rstrip", false},    {"single_word", false},
                          {"normalized", false}};
  };
  return {
      {"version", "1.0"},
      {"added_tokens", {added(258, "<|eot_id|>"), added(259, "<bos>")}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {{{"SpecialToken", {{"id", "<bos>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
        {"special_tokens", {{"<bos>", {{"id", "<bos>"}, {"ids", {259}}}}}}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model",
       {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array({"h e", "he y"})}}}};
}

// A folder of the test's own, removed at its end.
class TokenizerFolder {
 public:
  TokenizerFolder()
      : path_(std::filesystem::path(::testing::TempDir()) /
              ("sluice_tokenizer_" +
               std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TokenizerFolder() { std::filesystem::remove_all(path_); }
  TokenizerFolder(const TokenizerFolder&) = delete;
  TokenizerFolder& operator=(const TokenizerFolder&) = delete;

  void write(const char* name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sluice::runtime
