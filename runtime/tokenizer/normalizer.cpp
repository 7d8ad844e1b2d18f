// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/normalizer.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {
namespace {

int form_options(NormalizeStep::Kind kind) {
  switch (kind) {
    case NormalizeStep::Kind::kNfd:
      return UTF8PROC_DECOMPOSE;
    case NormalizeStep::Kind::kNfkd:
      return UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
    case NormalizeStep::Kind::kNfkc:
      return UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    default:
      return UTF8PROC_COMPOSE;
  }
}

// One well-formed run, which goes on as it is should the library fail.
void append_form(std::string& out, std::string_view run, NormalizeStep::Kind kind) {
  // ASCII is the same in every form.
  if (std::all_of(run.begin(), run.end(), [](char c) { return c >= 0; })) {
    out += run;
    return;
  }
  utf8proc_uint8_t* mapped = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(run.data()),
                   static_cast<utf8proc_ssize_t>(run.size()), &mapped,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | form_options(kind)));
  if (size >= 0) {
    out.append(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
  } else {
    out += run;
  }
  std::free(mapped);  // NOLINT: the library allocates with malloc
}

std::string unicode_form(std::string_view text, NormalizeStep::Kind kind) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t valid = utf8_valid_run_bytes(text, at);
    if (valid != 0) append_form(out, text.substr(at, valid), kind);
    at += valid;
    const std::size_t invalid = utf8_invalid_run_bytes(text, at);
    out += text.substr(at, invalid);
    at += invalid;
  }
  return out;
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t found = text.find(pattern); found != std::string_view::npos;
       found = text.find(pattern, at)) {
    out += text.substr(at, found - at);
    out += content;
    at = found + pattern.size();
  }
  out += text.substr(at);
  return out;
}

std::string normalize(const std::vector<NormalizeStep>& steps, std::string_view text) {
  std::string out(text);
  for (const auto& step : steps) {
    switch (step.kind) {
      case NormalizeStep::Kind::kPrepend:
        if (!out.empty()) out.insert(0, step.content);
        break;
      case NormalizeStep::Kind::kReplace:
        out = replace_all(out, step.pattern, step.content);
        break;
      default:
        out = unicode_form(out, step.kind);
    }
  }
  return out;
}

}  // namespace sluice::runtime
