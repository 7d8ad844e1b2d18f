// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/json_pipeline.hpp"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/model/json_nesting.hpp"
#include "runtime/tokenizer/pre_tokenizer_table.hpp"

namespace sluice::runtime {
namespace {

using Json = nlohmann::json;

Error unsupported(const std::string& what) {
  return make_error(ErrorCode::kUnsupported, "The tokenizer.json's " + what + " is not supported.");
}

std::string type_of(const Json& part) { return part.at("type").get<std::string>(); }

// The parts of a "Sequence" (whose list is under `list`), or the part itself, or none for null.
// Sequences inside a sequence do not occur and are reported as an unknown type.
std::vector<Json> parts_of(const Json& part, const char* list) {
  if (part.is_null()) return {};
  if (type_of(part) == "Sequence") return part.at(list).get<std::vector<Json>>();
  return {part};
}

Status read_normalizer(const Json& normalizer, TokenizerData& data) {
  using Kind = NormalizeStep::Kind;
  constexpr std::pair<std::string_view, Kind> kForms[] = {
      {"NFC", Kind::kNfc}, {"NFD", Kind::kNfd}, {"NFKC", Kind::kNfkc}, {"NFKD", Kind::kNfkd}};
  for (const Json& part : parts_of(normalizer, "normalizers")) {
    const std::string type = type_of(part);
    NormalizeStep step;
    bool is_known = false;
    for (const auto& [name, kind] : kForms) {
      if (type != name) continue;
      step.kind = kind;
      is_known = true;
    }
    if (type == "Prepend") {
      step.kind = Kind::kPrepend;
      step.content = part.at("prepend").get<std::string>();
    } else if (type == "Replace") {
      const Json& pattern = part.at("pattern");
      if (!pattern.contains("String")) return unsupported("normalizer Replace with a pattern");
      step.kind = Kind::kReplace;
      step.pattern = pattern.at("String").get<std::string>();
      step.content = part.at("content").get<std::string>();
      if (step.pattern.empty()) return unsupported("normalizer Replace of nothing");
    } else if (!is_known) {
      return unsupported("normalizer " + type);
    }
    data.normalizer.push_back(std::move(step));
  }
  return {};
}

std::string quoted_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    const bool is_ascii_mark =
        c > ' ' && c < 0x7F && std::isalnum(static_cast<unsigned char>(c)) == 0;
    if (is_ascii_mark) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Result<SplitStep::Behavior> behavior_of(const std::string& name) {
  using Behavior = SplitStep::Behavior;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  return unsupported("split behavior " + name);
}

Result<SplitStep> read_split(const Json& part) {
  const Json& pattern = part.at("pattern");
  SplitStep step;
  step.pattern = pattern.contains("Regex")
                     ? pattern.at("Regex").get<std::string>()
                     : quoted_pattern(pattern.at("String").get<std::string>());
  step.behavior = SLUICE_TRY(behavior_of(part.at("behavior").get<std::string>()));
  step.invert = part.value("invert", false);
  return step;
}

SpaceMarker read_space_marker(const Json& part) {
  SpaceMarker space;
  space.marker = part.at("replacement").get<std::string>();
  space.split = part.value("split", true);
  // Files older than prepend_scheme say add_prefix_space.
  const bool prepends = part.value("add_prefix_space", true);
  const std::string scheme = part.value("prepend_scheme", prepends ? "always" : "never");
  space.prepend = scheme == "first"   ? SpaceMarker::Prepend::kFirst
                  : scheme == "never" ? SpaceMarker::Prepend::kNever
                                      : SpaceMarker::Prepend::kAlways;
  return space;
}

Status read_byte_level(const Json& part, bool is_first, TokenizerData& data) {
  data.byte_level = true;
  if (part.value("use_regex", true))
    data.splits.push_back({.pattern = std::string(gpt2_pattern())});
  if (!part.value("add_prefix_space", true)) return {};
  // After a split every piece would get a space.
  if (!is_first) return unsupported("add_prefix_space after another pre-tokenizer");
  data.add_prefix_space = true;
  return {};
}

Status read_pre_tokenizer(const Json& pre_tokenizer, TokenizerData& data) {
  const std::vector<Json> parts = parts_of(pre_tokenizer, "pretokenizers");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    const std::string type = type_of(part);
    if (data.byte_level) return unsupported("pre-tokenizer " + type + " after ByteLevel");
    if (type == "Split") {
      data.splits.push_back(SLUICE_TRY(read_split(part)));
    } else if (type == "Digits") {
      const bool individual = part.value("individual_digits", false);
      data.splits.push_back({.pattern = individual ? R"(\p{N})" : R"(\p{N}+)"});
    } else if (type == "Punctuation") {
      const auto behavior = SLUICE_TRY(behavior_of(part.value("behavior", "Isolated")));
      data.splits.push_back({.pattern = R"([\p{P}$+<=>^`|~])", .behavior = behavior});
    } else if (type == "ByteLevel") {
      SLUICE_TRY(read_byte_level(part, i == 0, data));
    } else if (type == "Metaspace" && parts.size() == 1) {
      data.space_marker = read_space_marker(part);
      if (data.space_marker->marker.empty()) return unsupported("empty space marker");
    } else {
      return unsupported("pre-tokenizer " + type + " at this place");
    }
  }
  return {};
}

Status read_strip(const Json& part, bool fused, DecodeRules& rules) {
  const auto start = part.at("start").get<std::int64_t>();
  const auto stop = part.at("stop").get<std::int64_t>();
  const bool is_space = part.at("content").get<std::string>() == " ";
  if (!fused || !is_space || start < 0 || start > 1 || stop != 0) {
    return unsupported("decoder Strip of anything but one leading space");
  }
  rules.strip_left = start;
  return {};
}

Status read_decoder(const Json& decoder, TokenizerData& data) {
  DecodeRules& rules = data.decode;
  bool fused = false;
  if (decoder.is_null()) return unsupported("missing decoder");
  for (const Json& part : parts_of(decoder, "decoders")) {
    const std::string type = type_of(part);
    if (type == "ByteLevel") {
      rules.byte_level = true;
    } else if (type == "ByteFallback") {
      rules.byte_fallback = true;
    } else if (type == "Fuse") {
      fused = true;
    } else if (type == "Replace" && !fused && part.at("pattern").contains("String")) {
      rules.replacements.push_back({part.at("pattern").at("String").get<std::string>(),
                                    part.at("content").get<std::string>()});
      if (rules.replacements.back().pattern.empty())
        return unsupported("decoder Replace of nothing");
    } else if (type == "Strip") {
      SLUICE_TRY(read_strip(part, fused, rules));
    } else if (type == "Metaspace") {
      const SpaceMarker space = read_space_marker(part);
      if (space.marker.empty()) return unsupported("empty space marker");
      rules.replacements.push_back({space.marker, " "});
      rules.strip_left = space.prepend == SpaceMarker::Prepend::kNever ? 0 : 1;
    } else {
      return unsupported("decoder " + type + " at this place");
    }
  }
  return {};
}

// "single": the special tokens before and after the sequence A.
Status read_template(const Json& part, TokenizerData& data) {
  bool is_before = true;
  for (const Json& item : part.at("single")) {
    if (item.contains("Sequence")) {
      is_before = false;
      continue;
    }
    const std::string name = item.at("SpecialToken").at("id").get<std::string>();
    for (const Json& id : part.at("special_tokens").at(name).at("ids")) {
      (is_before ? data.prefix : data.suffix).push_back(id.get<TokenId>());
    }
  }
  return {};
}

Status read_post_processor(const Json& post_processor, TokenizerData& data) {
  for (const Json& part : parts_of(post_processor, "processors")) {
    const std::string type = type_of(part);
    if (type == "TemplateProcessing") {
      SLUICE_TRY(read_template(part, data));
    } else if (type != "ByteLevel") {  // that one only moves offsets
      return unsupported("post-processor " + type);
    }
  }
  return {};
}

}  // namespace

Status read_json_pipeline(const JsonPipeline& pipeline, TokenizerData& data) {
  for (const auto* part : {&pipeline.normalizer, &pipeline.pre_tokenizer, &pipeline.post_processor,
                           &pipeline.decoder}) {
    if (json_is_deeper(*part)) {
      return make_error(ErrorCode::kCorrupt,
                        "The tokenizer.json has a part that nests too deeply.");
    }
  }
  try {
    SLUICE_TRY(read_normalizer(Json::parse(pipeline.normalizer), data));
    SLUICE_TRY(read_pre_tokenizer(Json::parse(pipeline.pre_tokenizer), data));
    SLUICE_TRY(read_post_processor(Json::parse(pipeline.post_processor), data));
    return read_decoder(Json::parse(pipeline.decoder), data);
  } catch (const Json::exception& error) {
    return make_error(ErrorCode::kCorrupt, std::string("The tokenizer.json has a part that is not "
                                                       "as it should be: ") +
                                               error.what() + ".");
  }
}

}  // namespace sluice::runtime
