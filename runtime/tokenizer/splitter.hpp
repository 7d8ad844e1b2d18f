// SPDX-License-Identifier: Apache-2.0
// Cuts text into the pre-tokens inside which merges happen.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"
#include "runtime/tokenizer/regex.hpp"
#include "runtime/tokenizer/tokenizer_data.hpp"

namespace sluice::runtime {

class Splitter {
 public:
  static Result<Splitter> make(const std::vector<SplitStep>& steps);

  // The buffers of one caller; texts may follow one another.
  class Scan {
   public:
    explicit Scan(const Splitter& splitter);

    // The pieces of `text` (well-formed UTF-8) in order; valid until the next call.
    const std::vector<std::string_view>& split(std::string_view text);

   private:
    void split_piece(std::size_t step, std::string_view text);
    void emit(std::size_t step, std::string_view piece, bool is_match);

    const Splitter& splitter_;
    std::vector<Regex::Scan> regexes_;
    std::vector<std::string_view> pieces_;
    std::vector<std::string_view> next_;
    bool was_match_ = false;
    bool can_extend_ = false;  // the last piece may take what follows it
  };

 private:
  struct Step {
    Regex regex;
    SplitStep::Behavior behavior;
    bool invert;
  };
  std::vector<Step> steps_;
};

}  // namespace sluice::runtime
