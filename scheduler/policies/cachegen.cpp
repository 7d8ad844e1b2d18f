// SPDX-License-Identifier: Apache-2.0
#include "scheduler/policies/cachegen.hpp"

#include <algorithm>
#include <optional>

#include "scheduler/cost_model.hpp"
#include "scheduler/policies/worker_choice.hpp"

namespace sluice::scheduler {
namespace {

struct Choice {
  std::int32_t level = -1;
  std::string_view reason;
};

// What the pair's last transfers got; 0: not known.
double last_throughput(const Snapshot& snapshot, std::uint32_t prefill, std::uint32_t decode) {
  const auto place = [](const LinkState& link) {
    return std::tuple(link.prefill_node, link.decode_node);
  };
  const std::tuple wanted(prefill, decode);
  const auto link =
      std::lower_bound(snapshot.links.begin(), snapshot.links.end(), wanted,
                       [&](const LinkState& one, const auto& key) { return place(one) < key; });
  if (link != snapshot.links.end() && place(*link) == wanted) {
    if (link->figures.free_bytes_per_s > 0) return link->figures.free_bytes_per_s;
    if (link->figures.capacity_bytes_per_s > 0) return link->figures.capacity_bytes_per_s;
  }
  return snapshot.assumed_bytes_per_s;
}

// Indices of the rule's levels, the finest first.
std::vector<std::int32_t> levels_of_rule(const LevelTable& table, double kl_max) {
  std::vector<std::int32_t> all;
  for (std::size_t i = 0; i < table.levels.size(); ++i) {
    if (table.levels[i].pipeline.starts_with("cachegen")) {
      all.push_back(static_cast<std::int32_t>(i));
    }
  }
  if (all.empty()) return all;
  const auto kl = [&](std::int32_t i) { return table.levels[static_cast<std::size_t>(i)].kl; };
  double least_kl = kl(all.front());
  for (const std::int32_t index : all) least_kl = std::min(least_kl, kl(index));
  const auto is_too_coarse = [&](std::int32_t i) { return kl(i) > std::max(kl_max, least_kl); };
  all.erase(std::remove_if(all.begin(), all.end(), is_too_coarse), all.end());
  return all;
}

Choice choose_level(const Snapshot& snapshot, const RequestShape& request,
                    const WorkerState& prefill, const WorkerState& decode) {
  if (is_pinned(request)) {
    return {given_level(request), "least loaded, its level is given"};
  }
  std::vector<std::int32_t> levels;
  if (snapshot.levels != nullptr) levels = levels_of_rule(*snapshot.levels, request.kl_max);
  if (levels.empty()) return {-1, "no level is of this rule's kind"};
  const double throughput = last_throughput(snapshot, prefill.node, decode.node);
  if (throughput <= 0.0) return {levels[levels.size() / 2], "no throughput yet, a level between"};
  const std::int64_t cached = std::min(prefill.cached_tokens, request.prompt_tokens);
  const double left_s =
      request.ttft_slo_s - request.waited_s - queue_seconds(prefill, snapshot.levels) -
      prefill_seconds(prefill, snapshot.levels, request.prompt_tokens - cached, cached);
  for (const std::int32_t index : levels) {
    const Level& level = snapshot.levels->levels[static_cast<std::size_t>(index)];
    if (level.bytes(request.prompt_tokens) / throughput <= left_s) {
      return {index, "finest that the last throughput affords"};
    }
  }
  return {levels.back(), "coarsest, the last throughput affords none"};
}

class CacheGen : public Policy {
 public:
  Result<Decision> decide(const Snapshot& snapshot, const RequestShape& request,
                          std::vector<Alternative>* alternatives) override {
    if (const auto roles = check_roles(snapshot); !roles) return roles.error();
    const auto has_room = [&](const WorkerState& worker) { return may_decode(worker, request); };
    const WorkerState* prefill = least(snapshot.prefill, may_prefill, load_by_tokens);
    const WorkerState* decode = least(snapshot.decode, has_room, load_by_requests);
    if (decode == nullptr) return place_on(*prefill, nullptr, request, kNoRoom, alternatives);
    const Choice choice = choose_level(snapshot, request, *prefill, *decode);
    Decision decision = place_on(*prefill, decode, request, choice.reason, alternatives);
    decision.level = choice.level;
    if (alternatives != nullptr) alternatives->back().level = choice.level;
    return decision;
  }
};

}  // namespace

std::unique_ptr<Policy> create_cachegen(const PolicyOptions&) {
  return std::make_unique<CacheGen>();
}

}  // namespace sluice::scheduler
