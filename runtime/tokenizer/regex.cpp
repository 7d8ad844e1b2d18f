// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/tokenizer/regex.hpp"

#include <pcre2.h>

#include "runtime/tokenizer/regex_syntax.hpp"

namespace sluice::runtime {
namespace {

// Bounds what a hostile pattern costs; the patterns of real tokenizers need a few steps per byte.
constexpr std::uint32_t kMatchLimit = 5'000'000;
constexpr std::uint32_t kHeapLimitKib = 64 * 1024;

}  // namespace

struct Regex::Program {
  pcre2_code* code = nullptr;
  bool has_jit = false;
  ~Program() { pcre2_code_free(code); }
};

struct Regex::Scan::State {
  std::shared_ptr<const Program> program;
  pcre2_match_data* data = nullptr;
  pcre2_match_context* context = nullptr;
  ~State() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
};

Result<Regex> Regex::compile(std::string_view pattern) {
  if (has_foreign_regex_syntax(pattern)) {
    return make_error(ErrorCode::kUnsupported, "The tokenizer's pattern \"" + std::string(pattern) +
                                                   "\" uses syntax that is not supported.");
  }
  const std::string translated = translate_regex(pattern);
  int code = 0;
  PCRE2_SIZE offset = 0;
  auto program = std::make_shared<Program>();
  // MULTILINE: in Ruby's syntax ^ and $ are always about lines.
  program->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                &code, &offset, nullptr);
  if (program->code == nullptr) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(code, text, sizeof(text));
    return make_error(ErrorCode::kUnsupported,
                      "The tokenizer's pattern \"" + std::string(pattern) +
                          "\" does not compile: " + reinterpret_cast<const char*>(text) + ".");
  }
  program->has_jit = pcre2_jit_compile(program->code, PCRE2_JIT_COMPLETE) == 0;
  Regex regex;
  regex.program_ = std::move(program);
  return regex;
}

Regex::Scan::Scan(const Regex& regex) : state_(std::make_unique<State>()) {
  state_->program = regex.program_;
  state_->data = pcre2_match_data_create(1, nullptr);
  state_->context = pcre2_match_context_create(nullptr);
  SLUICE_CHECK(state_->data != nullptr && state_->context != nullptr, "out of memory");
  pcre2_set_match_limit(state_->context, kMatchLimit);
  pcre2_set_heap_limit(state_->context, kHeapLimitKib);
}
Regex::Scan::~Scan() = default;
Regex::Scan::Scan(Scan&&) noexcept = default;

bool Regex::Scan::next(std::string_view text, std::size_t from, RegexMatch& match) {
  if (from > text.size() || text.empty()) return false;
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const pcre2_code* code = state_->program->code;
  constexpr std::uint32_t kOptions = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
  int found = PCRE2_ERROR_JIT_STACKLIMIT;
  if (state_->program->has_jit) {
    found =
        pcre2_jit_match(code, subject, text.size(), from, kOptions, state_->data, state_->context);
  }
  // The interpreter keeps its backtracking on the heap, so a long match still succeeds.
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
    found = pcre2_match(code, subject, text.size(), from, kOptions | PCRE2_NO_JIT, state_->data,
                        state_->context);
  }
  if (found < 0) return false;
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(state_->data);
  match = {bounds[0], bounds[1]};
  // \K could move the begin past the end; such a match is no use to a splitter.
  return match.begin < match.end && match.begin >= from;
}

}  // namespace sluice::runtime
