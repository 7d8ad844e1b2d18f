// SPDX-License-Identifier: Apache-2.0
// The files beside tokenizer.json.
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <system_error>

#include "runtime/model/json_nesting.hpp"
#include "runtime/tokenizer/json_vocabulary.hpp"

namespace sluice::runtime {
namespace {

using Json = nlohmann::json;

// A settings file or a template is a few kilobytes.
constexpr std::size_t kSettingsBytesMax = 16 << 20;

// Nothing when the file is not there.
Result<std::optional<std::string>> read_if_there(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::optional<std::string>();
  return std::optional<std::string>(SLUICE_TRY(read_text_file(path, kSettingsBytesMax)));
}

// A token is named by its text, or by an object that holds it.
std::optional<TokenId> named_token(const Json& config, const char* key, const TokenizerData& data) {
  const auto value = config.find(key);
  if (value == config.end() || value->is_null()) return std::nullopt;
  const auto content =
      value->is_object() ? value->at("content").get<std::string>() : value->get<std::string>();
  for (const auto& token : data.added_tokens) {
    if (token.content == content) return token.id;
  }
  for (std::size_t i = 0; i < data.pieces.size(); ++i) {
    if (!content.empty() && data.pieces[i] == content) return static_cast<TokenId>(i);
  }
  return std::nullopt;
}

// One template, or a list of named ones of which we take "default".
std::string template_of(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return {};
  for (const Json& item : value) {
    if (item.at("name").get<std::string>() == "default") {
      return item.at("template").get<std::string>();
    }
  }
  return {};
}

void read_tokenizer_config(const Json& config, TokenizerData& data) {
  data.bos = named_token(config, "bos_token", data);
  if (const auto eos = named_token(config, "eos_token", data)) add_end_of_text(data, *eos);
  const bool has_template = !data.prefix.empty() || !data.suffix.empty();
  const auto adds_bos = config.find("add_bos_token");
  if (!has_template && data.bos && adds_bos != config.end() && adds_bos->is_boolean() &&
      adds_bos->get<bool>()) {
    data.prefix.push_back(*data.bos);
  }
  if (config.contains("chat_template")) data.chat_template = template_of(config["chat_template"]);
}

void read_generation_config(const Json& config, TokenizerData& data) {
  const auto eos = config.find("eos_token_id");
  if (eos == config.end() || eos->is_null()) return;
  if (eos->is_array()) {
    for (const Json& id : *eos) add_end_of_text(data, id.get<TokenId>());
  } else {
    add_end_of_text(data, eos->get<TokenId>());
  }
}

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t bytes_max) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) return make_error(ErrorCode::kNotFound, "Cannot read " + path.string() + ".");
  if (size > bytes_max) {
    return make_error(ErrorCode::kCorrupt,
                      path.string() + " is too large: " + std::to_string(size) + " bytes.");
  }
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return make_error(ErrorCode::kNotFound, "Cannot read " + path.string() + ".");
  return text;
}

Status read_json_settings(const std::filesystem::path& folder, TokenizerData& data) {
  for (const char* name : {"tokenizer_config.json", "generation_config.json"}) {
    const auto text = SLUICE_TRY(read_if_there(folder / name));
    if (!text) continue;
    if (json_is_deeper(*text)) {
      return make_error(ErrorCode::kCorrupt, (folder / name).string() + " nests too deeply.");
    }
    try {
      const Json config = Json::parse(*text);
      if (std::string_view(name) == "tokenizer_config.json") {
        read_tokenizer_config(config, data);
      } else {
        read_generation_config(config, data);
      }
    } catch (const Json::exception& error) {
      return make_error(ErrorCode::kCorrupt, (folder / name).string() +
                                                 " is not as it should be: " + error.what() + ".");
    }
  }
  if (auto text = SLUICE_TRY(read_if_there(folder / "chat_template.jinja"))) {
    data.chat_template = std::move(*text);
  }
  return {};
}

}  // namespace sluice::runtime
