// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/chat_family.hpp"

#include <array>

namespace sluice::runtime {
namespace {

constexpr std::array kFamilies = std::to_array<ChatFamily>({
    {.name = "chatml", .style = ChatStyle::kChatml},
    {.name = "smollm2",
     .style = ChatStyle::kChatml,
     .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
    {.name = "qwen1.5",
     .style = ChatStyle::kChatml,
     .default_system = "You are a helpful assistant"},
    {.name = "qwen2",
     .style = ChatStyle::kChatml,
     .default_system = "You are a helpful assistant."},
    {.name = "qwen2.5",
     .style = ChatStyle::kChatml,
     .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
    {.name = "yi", .style = ChatStyle::kYi},
    {.name = "llama3", .style = ChatStyle::kLlama3},
    {.name = "llama3.1",
     .style = ChatStyle::kLlama3,
     .system_preamble = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"},
    {.name = "llama2", .style = ChatStyle::kLlama2},
    {.name = "mistral",
     .style = ChatStyle::kMistral,
     .instruction_begin = "[INST] ",
     .instruction_end = " [/INST]",
     .answer_end = "</s>"},
    {.name = "mistral-spaced",
     .style = ChatStyle::kMistral,
     .instruction_begin = "[INST] ",
     .instruction_end = " [/INST]",
     .answer_end = "</s> "},
    {.name = "mistral-v3",
     .style = ChatStyle::kMistral,
     .instruction_begin = "[INST] ",
     .instruction_end = "[/INST]",
     .answer_begin = " ",
     .answer_end = "</s>",
     .trims_answer = true,
     .takes_system = true},
    {.name = "mistral-tekken",
     .style = ChatStyle::kMistral,
     .instruction_begin = "[INST]",
     .instruction_end = "[/INST]",
     .answer_end = "</s>",
     .takes_system = true},
});

struct KnownTemplate {
  std::uint64_t fingerprint;
  std::string_view family;
};

// From the `chat_template` of the tokenizer_config.json (or GGUF file) of the model named.
constexpr std::array kTemplates = std::to_array<KnownTemplate>({
    {0x88BF4138D5C826F0U, "chatml"},    // ChatML as trainers and converters write it
    {0x773D13E188AFC917U, "chatml"},    // Yi-34B-Chat
    {0x45EC583D4D25BC3AU, "smollm2"},   // SmolLM2-135M-Instruct
    {0xC867DA37C989D41FU, "qwen1.5"},   // Qwen1.5-7B-Chat
    {0x8A87094E0E1E24C5U, "qwen2"},     // Qwen2-7B-Instruct
    {0x11D394755CEF9355U, "qwen2.5"},   // Qwen2.5-7B-Instruct
    {0xB2A328A6A8E4D738U, "yi"},        // Yi-1.5-9B-Chat
    {0x0E60067A5537498EU, "llama3"},    // Meta-Llama-3-8B-Instruct
    {0x4FD30286BC0DA17CU, "llama3.1"},  // Llama-3.1-8B-Instruct, Llama-3.3-70B-Instruct
    {0x4D1512049817743DU, "llama2"},    // Llama-2-7b-chat-hf
    {0x8C734B90B4F8D84DU, "mistral"},   // Mistral-7B-Instruct-v0.2, Mixtral-8x7B-Instruct-v0.1
    {0xC730ACC029CE6EE0U, "mistral-spaced"},  // Mistral-7B-Instruct-v0.1
    {0xF1784176FABCEB43U, "mistral-tekken"},  // Mistral-Nemo-Instruct-2407
    {0x09EB1999B1FCF65FU, "mistral-v3"},      // Mistral-7B-Instruct-v0.3
});

}  // namespace

const ChatFamily* find_chat_family(std::string_view name) {
  for (const auto& family : kFamilies) {
    if (family.name == name) return &family;
  }
  return nullptr;
}

const ChatFamily* find_chat_family_by_fingerprint(std::uint64_t fingerprint) {
  for (const auto& known : kTemplates) {
    if (known.fingerprint == fingerprint) return find_chat_family(known.family);
  }
  return nullptr;
}

std::uint64_t chat_template_fingerprint(std::string_view jinja) {
  if (jinja.ends_with('\n')) jinja.remove_suffix(1);
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (std::size_t i = 0; i < jinja.size(); ++i) {
    char c = jinja[i];
    if (jinja.substr(i).starts_with("\\n")) {
      c = '\n';
      ++i;
    }
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  }
  return hash;
}

std::string chat_family_names() {
  std::string names;
  for (const auto& family : kFamilies) {
    if (!names.empty()) names += ", ";
    names += family.name;
  }
  return names;
}

}  // namespace sluice::runtime
