// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/splitter.hpp"

#include <utility>

namespace sluice::runtime {
namespace {

// `piece` follows `last` in the text directly.
void extend(std::string_view& last, std::string_view piece) {
  last = {last.data(), last.size() + piece.size()};
}

}  // namespace

Result<Splitter> Splitter::make(const std::vector<SplitStep>& steps) {
  Splitter splitter;
  for (const auto& step : steps) {
    Regex regex = SLUICE_TRY(Regex::compile(step.pattern));
    splitter.steps_.push_back({std::move(regex), step.behavior, step.invert});
  }
  return splitter;
}

Splitter::Scan::Scan(const Splitter& splitter) : splitter_(splitter) {
  for (const auto& step : splitter.steps_) regexes_.emplace_back(step.regex);
}

const std::vector<std::string_view>& Splitter::Scan::split(std::string_view text) {
  pieces_.assign(1, text);
  for (std::size_t step = 0; step < regexes_.size(); ++step) {
    next_.clear();
    for (const std::string_view piece : pieces_) split_piece(step, piece);
    std::swap(pieces_, next_);
  }
  return pieces_;
}

void Splitter::Scan::split_piece(std::size_t step, std::string_view text) {
  was_match_ = false;
  can_extend_ = false;
  std::size_t at = 0;
  RegexMatch match;
  while (regexes_[step].next(text, at, match)) {
    if (match.begin > at) emit(step, text.substr(at, match.begin - at), false);
    emit(step, text.substr(match.begin, match.end - match.begin), true);
    at = match.end;
  }
  if (at < text.size()) emit(step, text.substr(at), false);
}

// The behaviours of the `tokenizers` package's SplitDelimiterBehavior.
void Splitter::Scan::emit(std::size_t step, std::string_view piece, bool is_match) {
  if (splitter_.steps_[step].invert) is_match = !is_match;
  switch (splitter_.steps_[step].behavior) {
    case SplitStep::Behavior::kRemoved:
      if (!is_match) next_.push_back(piece);
      break;
    case SplitStep::Behavior::kIsolated:
      next_.push_back(piece);
      break;
    case SplitStep::Behavior::kMergedWithPrevious:
      if (is_match && !was_match_ && can_extend_) {
        extend(next_.back(), piece);
      } else {
        next_.push_back(piece);
      }
      can_extend_ = true;
      break;
    case SplitStep::Behavior::kMergedWithNext:
      if (!is_match && can_extend_) {
        extend(next_.back(), piece);
      } else {
        next_.push_back(piece);
      }
      can_extend_ = is_match;
      break;
    case SplitStep::Behavior::kContiguous:
      if (can_extend_ && is_match == was_match_) {
        extend(next_.back(), piece);
      } else {
        next_.push_back(piece);
      }
      can_extend_ = true;
      break;
  }
  was_match_ = is_match;
}

}  // namespace sluice::runtime
