// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/regex_syntax.hpp"

#include <array>
#include <cstddef>

namespace sluice::runtime {
namespace {

// Oniguruma's \s: the White_Space property.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d} \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

struct NewCharacters {
  std::string_view category;
  std::string_view ranges;
};

// Characters that Unicode 15.0, 15.1 and 16.0 added to a general category (source: the Unicode
// Character Database's DerivedAge and DerivedGeneralCategory files).
constexpr std::array kNewCharacters = std::to_array<NewCharacters>({
    {"L", R"(\x{1c89}-\x{1c8a}\x{a7cb}-\x{a7cd}\x{a7da}-\x{a7dc}\x{105c0}-\x{105f3})"
          R"(\x{10d4a}-\x{10d65}\x{10d6f}-\x{10d85}\x{10ec2}-\x{10ec4}\x{1123f}-\x{11240})"
          R"(\x{11380}-\x{11389}\x{1138b}\x{1138e}\x{11390}-\x{113b5}\x{113b7}\x{113d1}\x{113d3})"
          R"(\x{11bc0}-\x{11be0}\x{11f02}\x{11f04}-\x{11f10}\x{11f12}-\x{11f33}\x{1342f})"
          R"(\x{13441}-\x{13446}\x{13460}-\x{143fa}\x{16100}-\x{1611d}\x{16d40}-\x{16d6c})"
          R"(\x{18cff}\x{1b132}\x{1b155}\x{1df25}-\x{1df2a}\x{1e030}-\x{1e06d}\x{1e4d0}-\x{1e4eb})"
          R"(\x{1e5d0}-\x{1e5ed}\x{1e5f0}\x{2b739}\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})"},
    {"Lu", R"(\x{1c89}\x{a7cb}-\x{a7cc}\x{a7da}\x{a7dc}\x{10d50}-\x{10d65})"},
    {"Ll", R"(\x{1c8a}\x{a7cd}\x{a7db}\x{10d70}-\x{10d85}\x{1df25}-\x{1df2a})"},
    {"Lm",
     R"(\x{10d4e}\x{10d6f}\x{16d40}-\x{16d42}\x{16d6b}-\x{16d6c}\x{1e030}-\x{1e06d}\x{1e4eb})"},
    {"Lo", R"(\x{105c0}-\x{105f3}\x{10d4a}-\x{10d4d}\x{10d4f}\x{10ec2}-\x{10ec4})"
           R"(\x{1123f}-\x{11240}\x{11380}-\x{11389}\x{1138b}\x{1138e}\x{11390}-\x{113b5}\x{113b7})"
           R"(\x{113d1}\x{113d3}\x{11bc0}-\x{11be0}\x{11f02}\x{11f04}-\x{11f10}\x{11f12}-\x{11f33})"
           R"(\x{1342f}\x{13441}-\x{13446}\x{13460}-\x{143fa}\x{16100}-\x{1611d})"
           R"(\x{16d43}-\x{16d6a}\x{18cff}\x{1b132}\x{1b155}\x{1e4d0}-\x{1e4ea}\x{1e5d0}-\x{1e5ed})"
           R"(\x{1e5f0}\x{2b739}\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})"},
    {"N", R"(\x{10d40}-\x{10d49}\x{116d0}-\x{116e3}\x{11bf0}-\x{11bf9}\x{11f50}-\x{11f59})"
          R"(\x{16130}-\x{16139}\x{16d70}-\x{16d79}\x{1ccf0}-\x{1ccf9}\x{1d2c0}-\x{1d2d3})"
          R"(\x{1e4f0}-\x{1e4f9}\x{1e5f1}-\x{1e5fa})"},
    {"M", R"(\x{897}\x{cf3}\x{ece}\x{10d69}-\x{10d6d}\x{10efc}-\x{10eff}\x{11241})"
          R"(\x{113b8}-\x{113c0}\x{113c2}\x{113c5}\x{113c7}-\x{113ca}\x{113cc}-\x{113d0}\x{113d2})"
          R"(\x{113e1}-\x{113e2}\x{11f00}-\x{11f01}\x{11f03}\x{11f34}-\x{11f3a})"
          R"(\x{11f3e}-\x{11f42}\x{11f5a}\x{13440}\x{13447}-\x{13455}\x{1611e}-\x{1612f}\x{1e08f})"
          R"(\x{1e4ec}-\x{1e4ef}\x{1e5ee}-\x{1e5ef})"},
    {"P", R"(\x{1b4e}-\x{1b4f}\x{1b7f}\x{10d6e}\x{113d4}-\x{113d5}\x{113d7}-\x{113d8})"
          R"(\x{11b00}-\x{11b09}\x{11be1}\x{11f43}-\x{11f4f}\x{16d6d}-\x{16d6f}\x{1e5ff})"},
    {"S", R"(\x{2427}-\x{2429}\x{2ffc}-\x{2fff}\x{31e4}-\x{31e5}\x{31ef}\x{10d8e}-\x{10d8f})"
          R"(\x{1cc00}-\x{1ccef}\x{1cd00}-\x{1ceb3}\x{1f6dc}\x{1f774}-\x{1f776})"
          R"(\x{1f77b}-\x{1f77f}\x{1f7d9}\x{1f8b2}-\x{1f8bb}\x{1f8c0}-\x{1f8c1})"
          R"(\x{1fa75}-\x{1fa77}\x{1fa87}-\x{1fa89}\x{1fa8f}\x{1faad}-\x{1faaf})"
          R"(\x{1fabb}-\x{1fabf}\x{1fac6}\x{1face}-\x{1facf}\x{1fada}-\x{1fadc}\x{1fadf})"
          R"(\x{1fae8}-\x{1fae9}\x{1faf7}-\x{1faf8}\x{1fbcb}-\x{1fbef})"},
});

std::string_view new_characters(std::string_view category) {
  for (const auto& row : kNewCharacters) {
    if (row.category == category) return row.ranges;
  }
  return {};
}

// "\p{L}" at `at`: the category's name, or empty when it is not such an escape.
std::string_view category_at(std::string_view pattern, std::size_t at) {
  const std::string_view rest = pattern.substr(at);
  if (rest.size() < 5 || (rest[1] != 'p' && rest[1] != 'P') || rest[2] != '{') return {};
  const std::size_t close = rest.find('}');
  return close == std::string_view::npos ? std::string_view{} : rest.substr(3, close - 3);
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  std::string translate() {
    for (std::size_t at = 0; at < pattern_.size();) {
      const char c = pattern_[at];
      if (c == '\\' && at + 1 < pattern_.size()) {
        at += escape(at);
        continue;
      }
      if (in_class_) {
        if (c == ']' && at > class_begin_) in_class_ = false;
      } else if (c == '[') {
        in_class_ = true;
        class_begin_ = at + 1 + (pattern_.substr(at + 1, 1) == "^" ? 1 : 0);
      }
      out_.push_back(c);
      ++at;
    }
    return std::move(out_);
  }

 private:
  // Appends the translation of the escape at `at`; returns the bytes it takes in the pattern.
  std::size_t escape(std::size_t at) {
    const char letter = pattern_[at + 1];
    if (letter == 's' || (letter == 'S' && !in_class_)) {
      set(kSpaces, letter == 'S');
      return 2;
    }
    const std::string_view category = category_at(pattern_, at);
    const std::string_view added = new_characters(category);
    const std::size_t bytes = category.empty() ? 2 : category.size() + 4;
    if (added.empty() || (letter == 'P' && in_class_)) {
      out_ += pattern_.substr(at, bytes);
      return bytes;
    }
    set("\\p{" + std::string(category) + "}" + std::string(added), letter == 'P');
    return bytes;
  }

  void set(std::string_view members, bool negated) {
    if (in_class_) {
      out_ += members;
      return;
    }
    out_ += negated ? "[^" : "[";
    out_ += members;
    out_ += "]";
  }

  std::string_view pattern_;
  std::string out_;
  bool in_class_ = false;
  std::size_t class_begin_ = 0;  // where a ']' would still be a member
};

}  // namespace

std::string translate_regex(std::string_view pattern) { return Translator(pattern).translate(); }

bool has_foreign_regex_syntax(std::string_view pattern) {
  return pattern.find("&&") != std::string_view::npos ||
         pattern.find("\\h") != std::string_view::npos ||
         pattern.find("\\H") != std::string_view::npos;
}

}  // namespace sluice::runtime
