// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/link_aware.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "scheduler/cost_model.hpp"

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
  const Candidate* begin() const { return few_.data(); }
  const Candidate* end() const { return few_.data() + size_; }
  bool empty() const { return size_ == 0; }

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
  double step_s = decode.step_s;
  if (step_s <= 0.0 && levels != nullptr) step_s = levels->decode_s_per_output_token;
  if (step_s <= 0.0) step_s = kUnknownStepS;
  return step_s * static_cast<double>(decode.requests);
}

// The levels that a request may have.
struct AllowedLevels {
  const LevelTable* table = nullptr;
  std::int32_t pinned = -1;
  double kl_max = 0.0;
  bool is_free = false;  // more than one may be chosen from

  bool allows(std::int32_t level) const {
    return pinned >= 0 ? level == pinned
                       : table->levels[static_cast<std::size_t>(level)].kl <= kl_max;
  }
};

AllowedLevels allowed_levels(const Snapshot& snapshot, const RequestShape& request) {
  AllowedLevels allowed{snapshot.levels, request.pinned_level, request.kl_max, false};
  const bool has_levels = snapshot.levels != nullptr && !snapshot.levels->levels.empty();
  const auto count = has_levels ? static_cast<std::int32_t>(snapshot.levels->levels.size()) : 0;
  if (request.is_pinned_elsewhere || count == 0 || request.pinned_level >= count) {
    allowed.table = nullptr;
    return allowed;
  }
  if (request.pinned_level >= 0) return allowed;
  allowed.is_free = true;
  // Where nobody is as fine as asked for, the finest is the nearest to it.
  double finest = snapshot.levels->levels.front().kl;
  for (const Level& level : snapshot.levels->levels) finest = std::min(finest, level.kl);
  allowed.kl_max = std::max(allowed.kl_max, finest);
  return allowed;
}

class LinkAware : public Policy {
 public:
  explicit LinkAware(const PolicyOptions& options) : options_(options) {}

  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override;

 private:
  struct Search {
    const Snapshot& snapshot;
    const RequestShape& request;
    AllowedLevels allowed;
    double limit_s;
    std::vector<Alternative>* alternatives;
    std::optional<Way> best;

    void offer(const Way& way) {
      if (!best || is_better(way, *best)) best = way;
    }
  };

  bool may_be_local(const WorkerState& decode, const RequestShape& request) const;
  void look_at_pair(Search& search, const WorkerState& prefill, const WorkerState& decode,
                    const HandoffOutlook& outlook) const;
  Decision conclude(const Search& search);

  PolicyOptions options_;
  LevelMemory memory_;
};

bool LinkAware::may_be_local(const WorkerState& decode, const RequestShape& request) const {
  return options_.local_tokens_max > 0 && request.pinned_level < 0 &&
         !request.is_pinned_elsewhere &&
         request.prompt_tokens - decode.cached_tokens <= options_.local_tokens_max;
}

// The best level of a pair, then offered among the others' best.
void LinkAware::look_at_pair(Search& search, const WorkerState& prefill, const WorkerState& decode,
                             const HandoffOutlook& outlook) const {
  const double crowd_s = crowd_seconds(decode, search.snapshot.levels);
  HandoffOutlook narrower = outlook;
  narrower.wire_s_per_byte /= kFinerShare;
  std::optional<Way> best;
  const auto look = [&](std::int32_t index, const Level* level, const Level* last) {
    Way way{&prefill, &decode, index, false, 0.0, predict(outlook, search.snapshot.levels, level)};
    way.is_in_time = way.prediction.ttft_s <= search.limit_s;
    if (way.is_in_time && last != nullptr && level->kl < last->kl) {
      way.is_in_time = predict(narrower, search.snapshot.levels, level).ttft_s <= search.limit_s;
    }
    way.cost_s = way.prediction.ttft_s + crowd_s;
    if (search.alternatives != nullptr) search.alternatives->push_back(alternative_of(way));
    if (last == level && last != nullptr && best && !best->is_in_time && !way.is_in_time) {
      if (way.cost_s * kGainShare <= best->cost_s) best = way;
    } else if (!best || is_better(way, *best)) {
      best = way;
    }
  };
  if (search.allowed.table == nullptr) {
    look(-1, nullptr, nullptr);
  } else {
    const std::vector<Level>& levels = search.allowed.table->levels;
    const auto count = static_cast<std::int32_t>(levels.size());
    std::int32_t last = search.allowed.is_free ? memory_.find(prefill.node, decode.node) : -1;
    if (last >= count || (last >= 0 && !search.allowed.allows(last))) last = -1;
    const Level* last_level = last < 0 ? nullptr : &levels[static_cast<std::size_t>(last)];
    for (std::int32_t index = 0; index < count; ++index) {
      if (index == last || !search.allowed.allows(index)) continue;
      look(index, &levels[static_cast<std::size_t>(index)], last_level);
    }
    // The last one comes last: it need not be better to stay.
    if (last >= 0) look(last, last_level, last_level);
  }
  if (best) search.offer(*best);
}

Result<Decision> LinkAware::decide(const Snapshot& snapshot, const RequestShape& request,
                                   std::vector<Alternative>* alternatives) {
  const LevelTable* levels = snapshot.levels;
  BestFew<kPrefillCandidates> prefill;
  for (const WorkerState& worker : snapshot.prefill) {
    if (!worker.alive) continue;
    const std::int64_t cached = std::min(worker.cached_tokens, request.prompt_tokens);
    prefill.offer(worker,
                  queue_seconds(worker, levels) +
                      prefill_seconds(worker, levels, request.prompt_tokens - cached, cached));
  }
  const std::int64_t needed = request.prompt_tokens + request.output_tokens_max;
  BestFew<kDecodeCandidates> decode;
  bool any_decode = false;
  bool any_local = false;
  for (const WorkerState& worker : snapshot.decode) {
    if (!worker.alive) continue;
    any_decode = true;
    if (worker.free_tokens >= 0 && worker.free_tokens < needed) continue;
    any_local = any_local || may_be_local(worker, request);
    decode.offer(worker, crowd_seconds(worker, levels) + worker.step_s);
  }
  if (prefill.empty() && !any_local) {
    return make_error(ErrorCode::kUnavailable, "no prefill worker is alive");
  }
  if (!any_decode) return make_error(ErrorCode::kUnavailable, "no decode worker is alive");
  if (decode.empty()) {
    return Decision{.verdict = Verdict::kWait, .reason = "no decode worker has room"};
  }

  std::array<HandoffOutlook, kPrefillCandidates * kDecodeCandidates> outlooks;
  std::size_t pairs = 0;
  double unavoidable_s = std::numeric_limits<double>::infinity();
  for (const Candidate& source : prefill) {
    for (const Candidate& target : decode) {
      const LinkOutlook link = link_outlook(snapshot, source.worker->node, target.worker->node);
      HandoffOutlook& outlook = outlooks[pairs++];
      outlook = handoff_outlook(*source.worker, *target.worker, link, levels, request);
      unavoidable_s = std::min(unavoidable_s, outlook.queue_s + outlook.prefill_s + outlook.step_s +
                                                  outlook.round_trip_s);
    }
  }
  const double left_s = options_.slo_share * (request.ttft_slo_s - request.waited_s);
  if (prefill.empty()) unavoidable_s = 0.0;
  Search search{snapshot,
                request,
                allowed_levels(snapshot, request),
                std::max(left_s, kUnavoidable * unavoidable_s),
                alternatives,
                {}};
  pairs = 0;
  for (const Candidate& source : prefill) {
    for (const Candidate& target : decode) {
      look_at_pair(search, *source.worker, *target.worker, outlooks[pairs++]);
    }
  }
  for (const Candidate& target : decode) {
    if (!may_be_local(*target.worker, request)) continue;
    Way way{nullptr, target.worker, -1, false, 0.0, predict_local(*target.worker, levels, request)};
    way.is_in_time = way.prediction.ttft_s <= search.limit_s;
    way.cost_s = way.prediction.ttft_s + crowd_seconds(*target.worker, levels);
    if (alternatives != nullptr) alternatives->push_back(alternative_of(way));
    search.offer(way);
  }
  return conclude(search);
}

Decision LinkAware::conclude(const Search& search) {
  const Way& way = *search.best;
  const Alternative chosen = alternative_of(way);
  Decision decision;
  decision.prefill_node = chosen.prefill_node;
  decision.decode_node = chosen.decode_node;
  decision.verdict = chosen.verdict;
  decision.level = chosen.level;
  decision.prediction = chosen.prediction;
  if (way.prefill == nullptr) {
    decision.reason = "sooner where it is decoded";
  } else if (!search.allowed.is_free) {
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
