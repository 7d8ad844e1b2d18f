// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/link_aware.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "scheduler/cost_model.hpp"
#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

// The best few of each role. More would cost decisions per second and change few of them: what they
// leave out is behind by its queue, and in a cluster of this size or less nothing is left out.
constexpr std::size_t kPrefillCandidates = 6;
constexpr std::size_t kDecodeCandidates = 8;
// An objective nearer than what prefill alone takes counts as this many times that.
constexpr double kUnavoidable = 1.05;
// A finer level than the pair's last one must be in time even if the link gave this share only;
// where all are late, another level than the last one must be sooner by the second share.
constexpr double kFinerShare = 0.85;
constexpr double kGainShare = 0.97;
// Of a decode step, where neither the worker nor a profile tells.
constexpr double kUnknownStepS = 0.01;

struct Candidate {
  const WorkerState* worker = nullptr;
  double cost_s = 0.0;
};

// The few of the least cost, then of the lowest node: so their order in a snapshot says nothing.
template <std::size_t kMax>
class BestFew {
 public:
  void offer(const WorkerState& worker, double cost_s) {
    const Candidate candidate{&worker, cost_s};
    if (size_ == kMax && !is_before(candidate, few_[kMax - 1])) return;
    std::size_t at = size_ < kMax ? size_++ : kMax - 1;
    for (; at > 0 && is_before(candidate, few_[at - 1]); --at) few_[at] = few_[at - 1];
    few_[at] = candidate;
  }
  std::size_t size() const { return size_; }
  const WorkerState& operator[](std::size_t at) const { return *few_[at].worker; }

 private:
  static bool is_before(const Candidate& a, const Candidate& b) {
    return a.cost_s != b.cost_s ? a.cost_s < b.cost_s : a.worker->node < b.worker->node;
  }

  std::array<Candidate, kMax> few_{};
  std::size_t size_ = 0;
};

// The level that a pair had last. Of fixed size: where two pairs fall on one place the later one
// stays, and the other begins anew.
class LevelMemory {
 public:
  std::int32_t find(std::uint32_t prefill, std::uint32_t decode) const {
    const Entry& entry = entries_[place_of(prefill, decode)];
    return entry.prefill == prefill && entry.decode == decode ? entry.level : -1;
  }
  void keep(std::uint32_t prefill, std::uint32_t decode, std::int32_t level) {
    entries_[place_of(prefill, decode)] = {prefill, decode, level};
  }

 private:
  static constexpr int kBits = 12;
  struct Entry {
    std::uint32_t prefill = 0;
    std::uint32_t decode = 0;
    std::int32_t level = -1;
  };
  // Multiplicative hashing by 2^64 over the golden ratio (Knuth, The Art of Computer Programming,
  // volume 3, section 6.4).
  static std::size_t place_of(std::uint32_t prefill, std::uint32_t decode) {
    const std::uint64_t key = (std::uint64_t{prefill} << 32) | decode;
    return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15U) >> (64 - kBits));
  }

  std::vector<Entry> entries_ = std::vector<Entry>(std::size_t{1} << kBits);
};

// One way to serve the request.
struct Way {
  const WorkerState* prefill = nullptr;  // null: prefilled where it is decoded
  const WorkerState* decode = nullptr;
  std::int32_t level = -1;
  bool is_in_time = false;
  double cost_s = 0.0;  // to its first token, and what it costs those who are decoded there
  Prediction prediction;
};

auto nodes_of(const Way& way) {
  return std::tuple(way.prefill == nullptr, way.prefill == nullptr ? 0U : way.prefill->node,
                    way.decode->node, way.level);
}

bool is_better(const Way& a, const Way& b) {
  if (a.is_in_time != b.is_in_time) return a.is_in_time;
  if (a.is_in_time && a.prediction.kl != b.prediction.kl) return a.prediction.kl < b.prediction.kl;
  if (a.cost_s != b.cost_s) return a.cost_s < b.cost_s;
  if (a.prediction.kl != b.prediction.kl) return a.prediction.kl < b.prediction.kl;
  return nodes_of(a) < nodes_of(b);
}

Alternative alternative_of(const Way& way) {
  return {way.prefill == nullptr ? 0 : way.prefill->node, way.decode->node,
          way.prefill == nullptr ? Verdict::kLocal : Verdict::kPlace, way.level, way.prediction};
}

// What a request's share of the step of those that are decoded there already costs.
double crowd_seconds(const WorkerState& decode, const LevelTable* levels) {
  const double step_s = step_seconds(decode, levels);
  return (step_s > 0.0 ? step_s : kUnknownStepS) * static_cast<double>(decode.requests);
}

using LevelOrder = std::vector<std::int32_t>;

// The levels that a request may have, the finest first; empty: the cluster's or the user's
// pipeline.
void order_levels(const LevelTable* table, const RequestShape& request, LevelOrder& order) {
  order.clear();
  const auto count = table == nullptr ? 0 : static_cast<std::int32_t>(table->levels.size());
  if (request.is_pinned_elsewhere || request.pinned_level >= count) return;
  if (request.pinned_level >= 0) {
    order.push_back(request.pinned_level);
    return;
  }
  const auto kl_of = [&](std::int32_t level) {
    return table->levels[static_cast<std::size_t>(level)].kl;
  };
  // Most often they are in order already.
  for (std::int32_t level = 0; level < count; ++level) {
    order.push_back(level);
    for (std::size_t at = order.size() - 1; at > 0 && kl_of(order[at]) < kl_of(order[at - 1]);
         --at) {
      std::swap(order[at], order[at - 1]);
    }
  }
  // Where none is as fine as asked for, the finest is the nearest to it.
  while (order.size() > 1 && kl_of(order.back()) > request.kl_max) order.pop_back();
}

using PrefillCandidates = BestFew<kPrefillCandidates>;
using DecodeCandidates = BestFew<kDecodeCandidates>;

// Costs of all pairs of the candidates, as far as levels do not matter.
struct Pairs {
  std::array<PrefillOutlook, kPrefillCandidates> prefill;
  std::array<DecodeOutlook, kDecodeCandidates> decode;
  std::array<double, kDecodeCandidates> crowd_s;
  std::array<LinkOutlook, kPrefillCandidates * kDecodeCandidates> links;
  std::size_t columns = 0;

  Pairs(const Snapshot& snapshot, const RequestShape& request, const PrefillCandidates& sources,
        const DecodeCandidates& targets)
      : columns(targets.size()) {
    std::array<std::uint32_t, kPrefillCandidates> source_nodes;
    std::array<std::uint32_t, kDecodeCandidates> target_nodes;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      prefill[i] = prefill_outlook(sources[i], snapshot.levels, request);
      source_nodes[i] = sources[i].node;
    }
    for (std::size_t j = 0; j < targets.size(); ++j) {
      decode[j] = decode_outlook(targets[j], snapshot.levels, request);
      crowd_s[j] = crowd_seconds(targets[j], snapshot.levels);
      target_nodes[j] = targets[j].node;
    }
    link_outlooks(snapshot, {source_nodes.data(), sources.size()},
                  {target_nodes.data(), targets.size()},
                  {links.data(), sources.size() * targets.size()});
  }

  const LinkOutlook& link(std::size_t i, std::size_t j) const { return links[i * columns + j]; }
  // No level's time is less.
  double floor_s(std::size_t i, std::size_t j) const {
    return prefill[i].queue_s + prefill[i].prefill_s + decode[j].step_s + link(i, j).round_trip_s;
  }
};

class LinkAware : public Policy {
 public:
  explicit LinkAware(const PolicyOptions& options) : options_(options) {}

  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override;

 private:
  struct Search {
    const Snapshot& snapshot;
    double limit_s;
    std::vector<Alternative>* alternatives;  // null: what cannot win need not be predicted
    std::optional<Way> best;

    void offer(const Way& way) {
      if (!best || is_better(way, *best)) best = way;
    }
    // A way without more loss is in time already.
    bool is_beaten(double kl) const {
      return alternatives == nullptr && best && best->is_in_time && best->prediction.kl < kl;
    }
  };
  // What is looked at for one pair.
  struct Pair {
    const WorkerState* prefill;
    const WorkerState* decode;
    const PrefillOutlook& source;
    const DecodeOutlook& target;
    WireOutlook wire;
    double crowd_s;
  };

  bool may_be_local(const WorkerState& decode, const RequestShape& request) const {
    return options_.local_tokens_max > 0 && !is_pinned(request) &&
           request.prompt_tokens - decode.cached_tokens <= options_.local_tokens_max;
  }
  void look_at_pairs(Search& search, const Pairs& pairs, const PrefillCandidates& sources,
                     const DecodeCandidates& targets) const;
  void look_at_levels(Search& search, const Pair& pair) const;
  Way way_of(const Search& search, const Pair& pair, std::int32_t index,
             const Level* last_level) const;
  Decision conclude(const Way& way, bool is_free);

  PolicyOptions options_;
  LevelMemory memory_;
  LevelOrder order_;  // of the present request
};

Way LinkAware::way_of(const Search& search, const Pair& pair, std::int32_t index,
                      const Level* last_level) const {
  const LevelTable* table = search.snapshot.levels;
  const Level* level = index < 0 ? nullptr : &table->levels[static_cast<std::size_t>(index)];
  Way way{pair.prefill, pair.decode, index,
          false,        0.0,         predict(pair.source, pair.target, pair.wire, table, level)};
  way.cost_s = way.prediction.ttft_s + pair.crowd_s;
  way.is_in_time = way.prediction.ttft_s <= search.limit_s;
  if (way.is_in_time && last_level != nullptr && level->kl < last_level->kl) {
    WireOutlook narrower = pair.wire;
    narrower.s_per_byte /= kFinerShare;
    way.is_in_time =
        predict(pair.source, pair.target, narrower, table, level).ttft_s <= search.limit_s;
  }
  if (search.alternatives != nullptr) search.alternatives->push_back(alternative_of(way));
  return way;
}

// The best level of a pair, then offered among the others' best. Levels come by ascending loss, so
// the first in time ends the search.
void LinkAware::look_at_levels(Search& search, const Pair& pair) const {
  if (order_.empty()) return search.offer(way_of(search, pair, -1, nullptr));
  const std::vector<Level>& levels = search.snapshot.levels->levels;
  const auto level_of = [&](std::int32_t index) {
    return &levels[static_cast<std::size_t>(index)];
  };
  std::int32_t last = order_.size() == 1 ? -1 : memory_.find(pair.prefill->node, pair.decode->node);
  if (std::find(order_.begin(), order_.end(), last) == order_.end()) last = -1;
  const Level* last_level = last < 0 ? nullptr : level_of(last);
  std::optional<Way> best;
  std::optional<Way> as_last;
  for (const std::int32_t index : order_) {
    const double kl = level_of(index)->kl;
    if (search.is_beaten(kl)) break;
    const bool is_found = best && best->is_in_time && best->prediction.kl < kl;
    if (is_found && search.alternatives == nullptr) break;
    const Way way = way_of(search, pair, index, last_level);
    if (index == last) as_last = way;
    if (!best || is_better(way, *best)) best = way;
  }
  if (!best) return;
  // Where all are late, another level than the last one has to be worth it.
  const bool stays = as_last && !best->is_in_time && kGainShare * as_last->cost_s <= best->cost_s;
  search.offer(stays ? *as_last : *best);
}

void LinkAware::look_at_pairs(Search& search, const Pairs& pairs, const PrefillCandidates& sources,
                              const DecodeCandidates& targets) const {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (std::size_t j = 0; j < targets.size(); ++j) {
      const double floor_s = pairs.floor_s(i, j);
      const bool is_behind =
          search.best && floor_s > search.limit_s &&
          (search.best->is_in_time || floor_s + pairs.crowd_s[j] > search.best->cost_s);
      if (is_behind && search.alternatives == nullptr) continue;
      look_at_levels(search,
                     {&sources[i], &targets[j], pairs.prefill[i], pairs.decode[j],
                      wire_outlook(pairs.link(i, j), pairs.prefill[i].queue_s), pairs.crowd_s[j]});
    }
  }
}

Result<Decision> LinkAware::decide(const Snapshot& snapshot, const RequestShape& request,
                                   std::vector<Alternative>* alternatives) {
  const LevelTable* levels = snapshot.levels;
  PrefillCandidates sources;
  for (const WorkerState& worker : snapshot.prefill) {
    if (!worker.alive) continue;
    const std::int64_t cached = std::min(worker.cached_tokens, request.prompt_tokens);
    sources.offer(worker,
                  queue_seconds(worker, levels) +
                      prefill_seconds(worker, levels, request.prompt_tokens - cached, cached));
  }
  DecodeCandidates targets;
  bool any_decode = false;
  bool any_local = false;
  for (const WorkerState& worker : snapshot.decode) {
    if (!worker.alive) continue;
    any_decode = true;
    if (!may_decode(worker, request)) continue;
    any_local = any_local || may_be_local(worker, request);
    targets.offer(worker, crowd_seconds(worker, levels) + worker.step_s);
  }
  if (sources.size() == 0 && !any_local) {
    return make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
  }
  if (!any_decode) return make_error(ErrorCode::kUnavailable, "no decode worker is alive");
  if (targets.size() == 0) {
    return Decision{.verdict = Verdict::kWait, .reason = kNoRoom};
  }

  order_levels(levels, request, order_);
  const Pairs pairs(snapshot, request, sources, targets);
  double limit_s = options_.slo_share * (request.ttft_slo_s - request.waited_s);
  double unavoidable_s = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    for (std::size_t j = 0; j < targets.size(); ++j) {
      unavoidable_s = std::min(unavoidable_s, pairs.floor_s(i, j));
    }
  }
  if (sources.size() != 0) limit_s = std::max(limit_s, kUnavoidable * unavoidable_s);

  Search search{snapshot, limit_s, alternatives, {}};
  look_at_pairs(search, pairs, sources, targets);
  for (std::size_t j = 0; j < targets.size() && any_local; ++j) {
    const WorkerState& decode = targets[j];
    if (!may_be_local(decode, request)) continue;
    Way way{nullptr, &decode, -1, false, 0.0, predict_local(decode, levels, request)};
    way.is_in_time = way.prediction.ttft_s <= limit_s;
    way.cost_s = way.prediction.ttft_s + pairs.crowd_s[j];
    if (alternatives != nullptr) alternatives->push_back(alternative_of(way));
    search.offer(way);
  }
  if (!search.best) return make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
  return conclude(*search.best, !is_pinned(request) && !order_.empty());
}

// `is_free`: the level could be chosen.
Decision LinkAware::conclude(const Way& way, bool is_free) {
  const Alternative chosen = alternative_of(way);
  Decision decision;
  decision.prefill_node = chosen.prefill_node;
  decision.decode_node = chosen.decode_node;
  decision.verdict = chosen.verdict;
  decision.level = chosen.level;
  decision.prediction = chosen.prediction;
  if (way.prefill == nullptr) {
    decision.reason = "without loss or sooner where it is decoded";
  } else if (!is_free) {
    decision.reason = way.is_in_time ? "soonest, its level is given"
                                     : "soonest, its level is given, beyond the objective";
  } else {
    decision.reason = way.is_in_time ? "least loss within the objective"
                                     : "soonest, none is within the objective";
    memory_.keep(way.prefill->node, way.decode->node, way.level);
  }
  return decision;
}

}  // namespace

std::unique_ptr<Policy> create_link_aware(const PolicyOptions& options) {
  return std::make_unique<LinkAware>(options);
}

}  // namespace sluice::scheduler
