// SPDX-License-Identifier: Apache-2.0
// The regular expressions of pre-tokenizers, with the meaning they have in the `tokenizers`
// package (Oniguruma, Ruby syntax, Unicode 16).
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct RegexMatch {
  std::size_t begin = 0;
  std::size_t end = 0;
};

class Regex {
 public:
  // kUnsupported for a pattern that does not compile.
  static Result<Regex> compile(std::string_view pattern);

  // A scan owns the match buffers: one per thread and text. `text` must be well-formed UTF-8.
  class Scan {
   public:
    explicit Scan(const Regex& regex);
    ~Scan();
    Scan(Scan&&) noexcept;
    Scan& operator=(Scan&&) = delete;

    // The first match that is not empty and starts at or after `from`.
    bool next(std::string_view text, std::size_t from, RegexMatch& match);

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace sluice::runtime
