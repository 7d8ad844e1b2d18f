// SPDX-License-Identifier: Apache-2.0
// The patterns are those of the families' published tokenizer.json files.
#include "runtime/tokenizer/pre_tokenizer_table.hpp"

#include <array>

namespace sluice::runtime {
namespace {

constexpr std::string_view kGpt2 =
    R"re('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)re";
constexpr std::string_view kDigit = R"re(\p{N})re";
constexpr std::string_view kThreeDigits = R"re(\p{N}{1,3})re";

// The Llama-3 pattern but for its numbers, which families cut differently.
#define SLUICE_LLAMA3_PATTERN(numbers)                                    \
  R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)re" numbers \
  R"re(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"

// Words cut where lower case goes over into upper case, then an optional ending.
#define SLUICE_CASED_PATTERN(ending, numbers)                                                   \
  R"re([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)re" ending  \
  R"re(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)re" ending \
  "|" numbers R"re(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"

constexpr std::array<std::string_view, 1> kGpt2Patterns = {kGpt2};
constexpr std::array<std::string_view, 2> kStarcoderPatterns = {kDigit, kGpt2};
constexpr std::array<std::string_view, 1> kLlama3Patterns = {
    SLUICE_LLAMA3_PATTERN(R"re(\p{N}{1,3})re")};
constexpr std::array<std::string_view, 1> kQwen2Patterns = {SLUICE_LLAMA3_PATTERN(R"re(\p{N})re")};
constexpr std::array<std::string_view, 1> kTekkenPatterns = {
    SLUICE_CASED_PATTERN("", R"re(\p{N})re")};
constexpr std::array<std::string_view, 1> kGpt4oPatterns = {
    SLUICE_CASED_PATTERN(R"re((?i:'s|'t|'re|'ve|'m|'ll|'d)?)re", R"re(\p{N}{1,3})re")};

// Cased letters, and ASCII and full-width punctuation, as DeepSeek-LLM writes them out.
constexpr std::string_view kDeepseekLetters =
    R"re(\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf})re"
    R"re(\x{1c4}-\x{293}\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f})re"
    R"re(\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481})re"
    R"re(\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd})re"
    R"re(\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77})re"
    R"re(\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45})re"
    R"re(\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d})re"
    R"re(\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc})re"
    R"re(\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4})re"
    R"re(\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124})re"
    R"re(\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f})re"
    R"re(\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4})re"
    R"re(\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f})re"
    R"re(\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06})re"
    R"re(\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f})re"
    R"re(\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2})re"
    R"re(\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+)re";
constexpr std::string_view kDeepseekPunctuation =
    R"re(\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+)re";
constexpr std::string_view kDeepseekHan =
    R"re([\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+)re";
constexpr std::array<std::string_view, 6> kDeepseekLlmPatterns = {
    R"re([\r\n])re", kDeepseekLetters, kDeepseekPunctuation, R"re(\s+$)re", kDeepseekHan, kDigit};
constexpr std::array<std::string_view, 5> kDeepseekCoderPatterns = {
    R"re([\r\n])re", R"re(\s?\p{L}+)re", R"re(\s?\p{P}+)re", kDeepseekHan, kDigit};
constexpr std::array<std::string_view, 3> kDeepseek3Patterns = {
    kThreeDigits, R"re([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)re",
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)re"
    R"re([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)re"};

// "default" has no family behind it: GGUF's own description of it is the only one.
constexpr std::array<std::string_view, 4> kDefaultPatterns = {
    R"re([\p{P}\$\+<=>\^~\|]+)re", kGpt2, R"re(\p{N}+)re", R"re([0-9][0-9][0-9])re"};
constexpr std::array<std::string_view, 3> kFalconPatterns = {R"re([\p{P}\$\+<=>\^~\|`]+)re", kGpt2,
                                                             R"re([0-9][0-9][0-9])re"};

constexpr std::array kTable = std::to_array<PreTokenizerRow>({
    {.name = "smollm", .patterns = kStarcoderPatterns},
    {.name = "starcoder", .patterns = kStarcoderPatterns},
    {.name = "refact", .patterns = kStarcoderPatterns},
    {.name = "command-r", .patterns = kStarcoderPatterns, .nfc = true},
    {.name = "gpt-2", .patterns = kGpt2Patterns},
    {.name = "phi-2", .patterns = kGpt2Patterns},
    {.name = "llama-bpe", .patterns = kLlama3Patterns, .ignore_merges = true, .add_bos = true},
    {.name = "llama3", .patterns = kLlama3Patterns, .ignore_merges = true, .add_bos = true},
    {.name = "llama-v3", .patterns = kLlama3Patterns, .ignore_merges = true, .add_bos = true},
    {.name = "qwen2", .patterns = kQwen2Patterns, .nfc = true},
    {.name = "tekken", .patterns = kTekkenPatterns, .ignore_merges = true, .add_bos = true},
    {.name = "gpt-4o", .patterns = kGpt4oPatterns},
    {.name = "llama4", .patterns = kGpt4oPatterns},
    {.name = "deepseek-llm", .patterns = kDeepseekLlmPatterns},
    {.name = "deepseek-coder", .patterns = kDeepseekCoderPatterns},
    {.name = "deepseek-v3", .patterns = kDeepseek3Patterns},
    {.name = "falcon", .patterns = kFalconPatterns},
    {.name = "default", .patterns = kDefaultPatterns},
});

}  // namespace

const PreTokenizerRow* find_pre_tokenizer(std::string_view name) {
  for (const auto& row : kTable) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string pre_tokenizer_names() {
  std::string names;
  for (const auto& row : kTable) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

std::string_view gpt2_pattern() { return kGpt2; }

}  // namespace sluice::runtime
