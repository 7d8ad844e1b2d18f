// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/selection.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace sluice::kernels {
namespace {

std::size_t size_of(std::int64_t count) { return static_cast<std::size_t>(count); }

// A set for each head, from one for all.
void split_heads(TokenLevels& levels, std::int64_t heads) {
  if (levels.heads == heads) return;
  const auto copy = [&](auto& values) {
    const auto one = values;
    for (std::int64_t head = 1; head < heads; ++head) {
      values.insert(values.end(), one.begin(), one.end());
    }
  };
  copy(levels.level);
  copy(levels.importance);
  levels.heads = heads;
}

// The free tokens of one choice, in units that are taken or left as a whole.
struct Unit {
  std::int64_t head;
  std::int64_t first;  // token
  std::int64_t count;  // free tokens in it
  float score;
};

bool is_better(const Unit& a, const Unit& b) {
  if (a.score != b.score) return a.score > b.score;
  return a.head != b.head ? a.head < b.head : a.first < b.first;
}

class Chooser {
 public:
  Chooser(const SelectInput& input, const SelectionOptions& options, const Choice& choice,
          SelectState& state, std::int64_t heads)
      : options_(options),
        choice_(choice),
        state_(state),
        tokens_(input.tokens),
        heads_(heads),
        is_taken_(size_of(heads * input.tokens), false) {
    tail_first_ = std::max<std::int64_t>(tokens_ - options.window, 0);
    if (choice.tail_first >= 0) tail_first_ = std::min(tail_first_, choice.tail_first);
  }

  std::int64_t tail_first() const { return tail_first_; }

  // `scores`: [heads][tokens].
  void run(std::span<const float> scores) {
    std::vector<std::vector<Unit>> units;
    std::vector<std::int64_t> left;  // free budget, by head
    for (std::int64_t head = 0; head < heads_; ++head) {
      std::int64_t kept = 0;
      units.push_back(units_of(head, scores, kept));
      left.push_back(free_budget(kept));
      floors_.push_back(floor_of(kept));
    }
    if (state_.shares_heads && heads_ > 1) {
      run_shared(units, left);
    } else {
      for (std::size_t head = 0; head < units.size(); ++head) take(units[head], left[head]);
    }
    apply();
  }

 private:
  // Tokens of levels that a choice of this head is about: those of all heads if there is one set.
  bool any_level(std::int64_t head, std::int64_t token, std::uint8_t wanted) const {
    const TokenLevels& levels = state_.levels;
    if (levels.heads == heads_) return levels.level[size_of(head * tokens_ + token)] == wanted;
    for (std::int64_t each = 0; each < levels.heads; ++each) {
      if (levels.level[size_of(each * tokens_ + token)] == wanted) return true;
    }
    return false;
  }
  bool all_dropped(std::int64_t head, std::int64_t token) const {
    const TokenLevels& levels = state_.levels;
    if (levels.heads == heads_) {
      return levels.level[size_of(head * tokens_ + token)] == kLevelDropped;
    }
    for (std::int64_t each = 0; each < levels.heads; ++each) {
      if (levels.level[size_of(each * tokens_ + token)] != kLevelDropped) return false;
    }
    return true;
  }
  bool is_protected(std::int64_t head, std::int64_t token) const {
    return token < options_.sinks || token >= tail_first_ || any_level(head, token, kLevelExact);
  }

  // Takes what is protected (counted in `kept`); the rest in units.
  std::vector<Unit> units_of(std::int64_t head, std::span<const float> scores, std::int64_t& kept) {
    std::vector<Unit> units;
    for (std::int64_t first = 0; first < tokens_; first += choice_.chunk) {
      Unit unit{head, first, 0, 0.0F};
      for (std::int64_t token = first; token < std::min(first + choice_.chunk, tokens_); ++token) {
        if (all_dropped(head, token)) continue;
        if (is_protected(head, token)) {
          is_taken_[size_of(head * tokens_ + token)] = true;
          ++kept;
          continue;
        }
        unit.score += scores[size_of(head * tokens_ + token)];
        ++unit.count;
      }
      if (unit.count == 0) continue;
      if (unit.count > 1) unit.score /= static_cast<float>(unit.count);
      units.push_back(unit);
    }
    return units;
  }

  std::int64_t free_budget(std::int64_t kept) const {
    const std::int64_t budget = budget_tokens(options_.budget, tokens_);
    const double rest = static_cast<double>(std::max<std::int64_t>(budget - kept, 0));
    const double scaled = std::floor(rest * static_cast<double>(state_.budget_scale) + 1e-6);
    return static_cast<std::int64_t>(std::clamp(scaled, 0.0, static_cast<double>(tokens_)));
  }

  // AdaKV: free tokens that a head has before heads compete (protected ones count).
  std::int64_t floor_of(std::int64_t kept) const {
    const std::int64_t even = kept + free_budget(kept);
    const double share = static_cast<double>(even) * static_cast<double>(state_.head_floor);
    return std::max<std::int64_t>(static_cast<std::int64_t>(share + 1e-6) - kept, 0);
  }

  void take_unit(const Unit& unit) {
    for (std::int64_t token = unit.first; token < std::min(unit.first + choice_.chunk, tokens_);
         ++token) {
      if (!all_dropped(unit.head, token)) is_taken_[size_of(unit.head * tokens_ + token)] = true;
    }
  }

  // The best units that fit into `budget` tokens: in order of rank, ending at the first that does
  // not fit. What is not taken stays in `units`; returns what is left of the budget.
  std::int64_t take_best(std::vector<Unit>& units, std::int64_t budget) {
    // Units have at least one token, so no more than `budget` can be taken.
    const auto ranked = static_cast<std::size_t>(
        std::min<std::int64_t>(budget, static_cast<std::int64_t>(units.size())));
    const auto middle = units.begin() + static_cast<std::ptrdiff_t>(ranked);
    std::partial_sort(units.begin(), middle, units.end(), is_better);
    std::size_t taken = 0;
    while (taken < ranked && units[taken].count <= budget) {
      take_unit(units[taken]);
      budget -= units[taken++].count;
    }
    units.erase(units.begin(), units.begin() + static_cast<std::ptrdiff_t>(taken));
    return budget;
  }

  void take(std::vector<Unit>& units, std::int64_t budget) {
    if (choice_.second.empty()) {
      take_best(units, budget);
      return;
    }
    const double share = static_cast<double>(budget) * static_cast<double>(choice_.second_share);
    const auto drawn = static_cast<std::int64_t>(share + 1e-6);
    const std::int64_t left = take_best(units, budget - drawn) + drawn;
    for (Unit& unit : units) {
      unit.score = choice_.second[size_of(unit.head * tokens_ + unit.first)];
    }
    take_best(units, left);
  }

  void run_shared(std::vector<std::vector<Unit>>& units, const std::vector<std::int64_t>& left) {
    std::int64_t budget = 0;
    std::vector<Unit> all;
    for (std::size_t head = 0; head < units.size(); ++head) {
      const std::int64_t floor = std::min(floors_[head], left[head]);
      budget += left[head] - floor + take_best(units[head], floor);
      all.insert(all.end(), units[head].begin(), units[head].end());
    }
    take(all, budget);
  }

  void apply() {
    if (heads_ > 1) split_heads(state_.levels, heads_);
    for (std::int64_t head = 0; head < state_.levels.heads; ++head) {
      const std::int64_t set = heads_ == 1 ? 0 : head;
      for (std::int64_t token = 0; token < tokens_; ++token) {
        if (!is_taken_[size_of(set * tokens_ + token)]) {
          state_.levels.level[size_of(head * tokens_ + token)] = kLevelDropped;
        }
      }
    }
  }

  const SelectionOptions& options_;
  const Choice& choice_;
  SelectState& state_;
  std::int64_t tokens_;
  std::int64_t heads_;
  std::int64_t tail_first_ = 0;
  std::vector<bool> is_taken_;        // [heads][tokens]
  std::vector<std::int64_t> floors_;  // by head
};

// What is always kept is as important as the best of the rest.
void note_importance(const SelectionOptions& options, std::int64_t tail_first,
                     std::vector<float> scores, SelectState& state, std::int64_t heads) {
  const std::int64_t tokens = state.levels.tokens;
  for (std::int64_t head = 0; head < heads; ++head) {
    const std::span<float> row(scores.data() + head * tokens, size_of(tokens));
    float most = std::numeric_limits<float>::lowest();
    for (std::int64_t t = std::min(options.sinks, tail_first); t < tail_first; ++t) {
      most = std::max(most, row[size_of(t)]);
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
      if (t < options.sinks || t >= tail_first) row[size_of(t)] = most;
    }
  }
  state.levels.importance.clear();
  if (heads == state.levels.heads) {
    state.levels.importance = std::move(scores);
    return;
  }
  for (std::int64_t head = 0; head < state.levels.heads; ++head) {
    state.levels.importance.insert(state.levels.importance.end(), scores.begin(), scores.end());
  }
}

}  // namespace

Result<SelectionOptions> selection_options(const Parameters& parameters) {
  SelectionOptions options{.budget = parameters.number("budget"),
                           .sinks = parameters.integer("sinks"),
                           .window = parameters.integer("window"),
                           .scope = static_cast<SelectScope>(parameters.choice("scope")),
                           .pool = parameters.integer("pool"),
                           .pooling = static_cast<Pooling>(parameters.choice("pooling"))};
  if (options.pool != 0 && options.pool % 2 == 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a selector's 'pool' of " + std::to_string(options.pool) +
                          " has no middle: it must be odd, or 0 for none");
  }
  return options;
}

std::int64_t budget_tokens(float budget, std::int64_t tokens) {
  if (budget > 1.0F) return std::min(static_cast<std::int64_t>(budget), tokens);
  // 0.7 of 1,000 tokens are 700, though FP32's 0.7 is a little less.
  const double exact = static_cast<double>(budget) * static_cast<double>(tokens);
  return std::min(static_cast<std::int64_t>(exact * (1 + 1e-7)), tokens);
}

Status choose_tokens(const SelectInput& input, const SelectionOptions& options,
                     const Choice& choice, std::vector<float> scores, SelectState& state) {
  const std::int64_t tokens = input.tokens;
  const std::int64_t heads = tokens == 0 ? 1 : static_cast<std::int64_t>(scores.size()) / tokens;
  if (scores.size() != size_of(heads * tokens) ||
      (tokens > 0 && heads != 1 && heads != input.shape->kv_heads) ||
      (!choice.second.empty() && choice.second.size() != scores.size())) {
    return make_error(
        ErrorCode::kInvalidArgument,
        "the scores of layer " + std::to_string(input.layer) + " are not of its tokens");
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i]) || (!choice.second.empty() && std::isnan(choice.second[i]))) {
      return make_error(ErrorCode::kInvalidArgument,
                        "the score of token " +
                            std::to_string(static_cast<std::int64_t>(i) % tokens) + " in layer " +
                            std::to_string(input.layer) + " is not a number");
    }
  }
  if (tokens == 0) return {};
  Chooser chooser(input, options, choice, state, heads);
  // Pooled apart from the tail, whose tokens are kept whatever they score.
  const auto free = static_cast<std::size_t>(chooser.tail_first());
  std::vector<float> pooled = scores;
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto at = size_of(head * tokens);
    pool_scores(std::span(scores).subspan(at, free), options.pool, options.pooling,
                std::span(pooled).subspan(at, free));
  }
  chooser.run(pooled);
  note_importance(options, chooser.tail_first(), std::move(pooled), state, heads);
  return {};
}

}  // namespace sluice::kernels
