// SPDX-License-Identifier: Apache-2.0
// Where a request goes: what the policy is shown, and what follows from its answer.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/router/router.hpp"
#include "scheduler/cost_model.hpp"

namespace sluice::runtime {
namespace {

// Where no link has been measured: ten gigabits per second.
constexpr double kAssumedBytesPerS = 1.25e9;
// More than any handoff has.
constexpr double kBytesMax = 1e15;
// No objective is further away than this, in microseconds.
constexpr double kLongestUs = 1e15;

// What a link that has carried nothing yet is expected to be like: the median of the others.
double assumed_rate(const std::vector<scheduler::LinkState>& links) {
  std::vector<double> rates;
  for (const scheduler::LinkState& link : links) {
    if (link.figures.free_bytes_per_s > 0.0) rates.push_back(link.figures.free_bytes_per_s);
  }
  if (rates.empty()) return kAssumedBytesPerS;
  const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

scheduler::LinkState& link_between(std::vector<scheduler::LinkState>& links, comm::NodeId prefill,
                                   comm::NodeId decode) {
  const auto place = std::lower_bound(links.begin(), links.end(), std::pair(prefill, decode),
                                      [](const auto& link, const auto& pair) {
                                        return std::pair<comm::NodeId, comm::NodeId>(
                                                   link.prefill_node, link.decode_node) < pair;
                                      });
  if (place != links.end() && place->prefill_node == prefill && place->decode_node == decode) {
    return *place;
  }
  return *links.insert(place, {.prefill_node = prefill, .decode_node = decode, .figures = {}});
}

scheduler::WorkerState* find_state(std::vector<scheduler::WorkerState>& states, comm::NodeId node) {
  const auto found = std::find_if(states.begin(), states.end(),
                                  [&](const auto& state) { return state.node == node; });
  return found == states.end() ? nullptr : &*found;
}

}  // namespace

std::map<comm::NodeId, WorkerLoad> Router::loads() const {
  std::map<comm::NodeId, WorkerLoad> loads;
  for (const auto& [id, request] : requests_) {
    if (request.attempt == 0) continue;
    const std::int64_t tokens = prefill_tokens_left(request);
    if (tokens > 0) {
      WorkerLoad& prefill = loads[request.decision.prefill_node];
      prefill.requests += 1;
      prefill.queued_tokens += tokens;
    }
    WorkerLoad& decode = loads[request.decision.decode_node];
    decode.requests += 1;
    decode.queued_tokens += request.tokens_left;
  }
  return loads;
}

// Of those that its prefill worker was given: no message says how far it is, so that what it does
// is reckoned by its speed, as far as that is known. Its transfer is not its prefill.
std::int64_t Router::prefill_tokens_left(const Request& request) const {
  if (request.prefilled || request.is_local()) return 0;
  if (request.prefill_end_us == 0) return request.prefill_tokens;
  const auto took = static_cast<double>(request.prefill_end_us - request.prefill_start_us);
  const auto left = static_cast<double>(request.prefill_end_us - now_us());
  const double share = took > 0.0 ? std::clamp(left / took, 0.0, 1.0) : 0.0;
  return static_cast<std::int64_t>(std::ceil(share * static_cast<double>(request.prefill_tokens)));
}

void Router::reckon_prefill(Request& request, const scheduler::WorkerState& worker) const {
  const std::int64_t cached = std::min(worker.cached_tokens, request.prompt_tokens - 1);
  request.prefill_tokens = request.prompt_tokens - cached;
  request.prefill_start_us = now_us();
  request.prefill_end_us = 0;
  const scheduler::LevelTable* levels = options_.levels.get();
  if (!worker.prefill_speed.is_known() && levels == nullptr) return;
  for (const auto& [id, other] : requests_) {
    if (other.attempt == 0 || other.prefilled || &other == &request) continue;
    if (other.decision.prefill_node != worker.node) continue;
    request.prefill_start_us = std::max(request.prefill_start_us, other.prefill_end_us);
  }
  const double takes_s = scheduler::prefill_seconds(worker, levels, request.prefill_tokens, cached);
  const double takes_us = std::clamp(takes_s * 1e6, 1.0, kLongestUs);
  request.prefill_end_us = request.prefill_start_us + static_cast<std::int64_t>(takes_us);
}

scheduler::RequestShape Router::shape_of(const Request& request) const {
  const scheduler::SloClass& slo = queue_.classes()[static_cast<std::size_t>(request.slo_class)];
  scheduler::RequestShape shape;
  shape.prompt_tokens = request.prompt_tokens;
  shape.output_tokens_max = request.asked.tokens_max;
  shape.question_tokens = request.asked.question_tokens;
  shape.waited_s = seconds(now_us() - request.submitted_us);
  // Where all is found to take twice as long as predicted, half of the time is there.
  shape.ttft_slo_s = shape.waited_s + (slo.ttft_s - shape.waited_s) / correction();
  shape.kl_max = request.asked.kl_max > 0.0 ? request.asked.kl_max : slo.kl_max;
  if (request.asked.pipeline.empty()) return shape;
  shape.pinned_level = level_named(request.asked.pipeline);
  shape.is_pinned_elsewhere = shape.pinned_level < 0;
  return shape;
}

std::int32_t Router::level_named(const std::string& pipeline) const {
  if (options_.levels == nullptr) return -1;
  const auto& levels = options_.levels->levels;
  const auto found = std::find_if(levels.begin(), levels.end(),
                                  [&](const auto& level) { return level.pipeline == pipeline; });
  return found == levels.end() ? -1 : static_cast<std::int32_t>(found - levels.begin());
}

double Router::correction() const {
  const double factor = options_.correction ? options_.correction() : 1.0;
  return std::isfinite(factor) && factor > 0.0 ? factor : 1.0;
}

scheduler::Snapshot Router::snapshot(const std::set<comm::NodeId>& avoid) const {
  scheduler::Snapshot snapshot = roster_.snapshot(loads(), avoid);
  links_.fill(snapshot, now_us());
  snapshot.levels = options_.levels.get();
  snapshot.assumed_bytes_per_s = assumed_rate(snapshot.links);
  for (const auto& [id, request] : requests_) {
    const double bytes = request.decision.prediction.bytes;
    if (request.attempt == 0 || request.prefilled || request.is_local() || !(bytes > 0.0)) continue;
    link_between(snapshot.links, request.decision.prefill_node, request.decision.decode_node)
        .planned_bytes += static_cast<std::uint64_t>(std::min(bytes, kBytesMax));
  }
  return snapshot;
}

// Who has failed the request is alive in it only where there is nobody else.
scheduler::Snapshot Router::snapshot_for(const Request& request) const {
  std::set<comm::NodeId> avoid = request.avoid;
  for (const comm::NodeId node : request.suspect) {
    std::set<comm::NodeId> more = avoid;
    more.insert(node);
    if (roster_.has_usable(roster_.find(node)->role, more)) avoid = std::move(more);
  }
  scheduler::Snapshot all = snapshot(avoid);
  // What is more than any worker's memory is placed all the same: the worker says it in words.
  if (!roster_.may_fit(request.prompt_tokens + request.asked.tokens_max)) {
    for (scheduler::WorkerState& worker : all.decode) worker.free_tokens = -1;
  }
  return all;
}

// The prompt's blocks under this salt, and of them whole ones before its last token.
std::span<const PrefixHash> Router::blocks_of(Request& request, std::uint64_t salt) const {
  const std::int64_t block = options_.scheduler.prefix_block_tokens;
  if (block <= 0) return {};
  auto found = request.blocks.find(salt);
  if (found == request.blocks.end()) {
    auto hashes = block_hashes(request.asked.prompt, block, salt);
    const auto usable = static_cast<std::size_t>((request.prompt_tokens - 1) / block);
    if (hashes.size() > usable) hashes.resize(usable);
    found = request.blocks.emplace(salt, std::move(hashes)).first;
  }
  return found->second;
}

// A decode worker keeps what came at a level under that level's salt. `level` empty: whatever is
// most, of the levels that the request may have.
void Router::fill_cached(scheduler::Snapshot& snapshot, Request& request,
                         std::optional<std::int32_t> level) const {
  if (prefixes_.entries() == 0) return;
  const std::int64_t block = options_.scheduler.prefix_block_tokens;
  const auto fill = [&](std::vector<scheduler::WorkerState>& states, std::uint64_t salt) {
    for (const auto& cached : prefixes_.find(blocks_of(request, salt))) {
      scheduler::WorkerState* state = find_state(states, cached.node);
      if (state == nullptr) continue;
      state->cached_tokens = std::max(state->cached_tokens, cached.blocks * block);
    }
  };
  for (auto* states : {&snapshot.prefill, &snapshot.decode}) {
    for (scheduler::WorkerState& state : *states) state.cached_tokens = 0;
  }
  fill(snapshot.prefill, 0);
  for (const std::uint64_t salt : decode_salts(request, level)) fill(snapshot.decode, salt);
}

std::vector<std::uint64_t> Router::decode_salts(const Request& request,
                                                std::optional<std::int32_t> level) const {
  const std::uint64_t of_cluster = cluster_.hellos[cluster_.self].pipeline_hash;
  if (!level && !request.asked.pipeline.empty()) level = level_named(request.asked.pipeline);
  if (level && *level >= 0)
    return {options_.levels->levels[static_cast<std::size_t>(*level)].stages};
  if (level || options_.levels == nullptr) {
    if (!request.asked.pipeline.empty()) return {};  // of a pipeline whose hash is not known here
    return {of_cluster};
  }
  const double kl_max = shape_of(request).kl_max;
  std::vector<std::uint64_t> salts;
  for (const scheduler::Level& one : options_.levels->levels) {
    if (one.is_streaming && one.kl <= kl_max) salts.push_back(one.stages);
  }
  return salts;
}

// Of a prompt that is prefilled where it is decoded: the level of what that worker has of it, so
// that it goes on from there; -1: it has nothing.
std::int32_t Router::cached_level(Request& request, comm::NodeId node) const {
  if (prefixes_.entries() == 0 || options_.levels == nullptr) return -1;
  const std::vector<std::uint64_t> salts = decode_salts(request, std::nullopt);
  const auto& levels = options_.levels->levels;
  std::int32_t best = -1;
  std::int64_t most = 0;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (std::find(salts.begin(), salts.end(), levels[i].stages) == salts.end()) continue;
    for (const auto& cached : prefixes_.find(blocks_of(request, levels[i].stages))) {
      if (cached.node != node || cached.blocks <= most) continue;
      best = static_cast<std::int32_t>(i);
      most = cached.blocks;
    }
  }
  return best;
}

// The level is not known before the policy is asked, and what is cached depends on it: where that
// differs from what the policy was shown, it is asked once more.
Result<scheduler::Decision> Router::decide(Request& request, scheduler::Snapshot& snapshot,
                                           const scheduler::RequestShape& shape,
                                           std::vector<scheduler::Alternative>* alternatives) {
  fill_cached(snapshot, request, std::nullopt);
  auto decision = policy_->decide(snapshot, shape, alternatives);
  if (!decision || prefixes_.entries() == 0) return decision;
  if (decision->verdict != scheduler::Verdict::kPlace) return decision;
  const std::int64_t shown = find_state(snapshot.decode, decision->decode_node)->cached_tokens;
  fill_cached(snapshot, request, decision->level);
  if (find_state(snapshot.decode, decision->decode_node)->cached_tokens == shown) return decision;
  if (alternatives != nullptr) alternatives->clear();
  decision = policy_->decide(snapshot, shape, alternatives);
  if (decision) fill_cached(snapshot, request, decision->level);
  return decision;
}

void Router::place(RequestId id) {
  Request& request = requests_.at(id);
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    if (roster_.has_usable(role)) continue;
    if (roster_.may_return(role)) return wait(id);
    return fail(id, make_error(ErrorCode::kUnavailable, roster_.why_none(role)));
  }
  if (now_us() < request.held_until_us) return wait(id);
  scheduler::Snapshot snapshot = snapshot_for(request);
  scheduler::RequestShape shape = shape_of(request);
  std::vector<scheduler::Alternative> alternatives;
  auto* wanted = options_.wants_alternatives ? &alternatives : nullptr;
  auto decision = decide(request, snapshot, shape, wanted);
  const bool may_reject = queue_.classes()[static_cast<std::size_t>(request.slo_class)].may_reject;
  if (decision && decision->verdict == scheduler::Verdict::kReject && !may_reject) {
    shape.ttft_slo_s = std::numeric_limits<double>::infinity();
    alternatives.clear();
    decision = decide(request, snapshot, shape, wanted);
    if (decision && decision->verdict == scheduler::Verdict::kReject) {
      decision->verdict = scheduler::Verdict::kWait;
    }
  }
  if (!decision) return fail(id, decision.error());
  const bool waits = decision->verdict == scheduler::Verdict::kWait;
  if (options_.on_decision && !(waits && request.wait_was_told)) {
    report_decision(id, snapshot, shape, *decision, alternatives);
  }
  request.wait_was_told = waits;
  if (waits) return wait(id);
  if (decision->verdict == scheduler::Verdict::kReject) return reject(id, *decision);
  begin_attempt(id, snapshot, *decision);
}

void Router::begin_attempt(RequestId id, scheduler::Snapshot& snapshot,
                           const scheduler::Decision& decision) {
  Request& request = requests_.at(id);
  waiting_.erase(id);
  queue_.remove(id);
  request.is_queued = false;
  request.waiting_since_us = 0;
  request.decision = decision;
  if (request.is_local()) {
    request.decision.prefill_node = decision.decode_node;
    request.decision.level = cached_level(request, decision.decode_node);
  }
  request.placed_us = now_us();
  const double takes_s = decision.prediction.ttft_s * correction();
  request.predicted_us = 0;
  if (takes_s > 0.0 && std::isfinite(takes_s)) {
    request.predicted_us = request.placed_us - request.submitted_us +
                           static_cast<std::int64_t>(std::min(takes_s * 1e6, kLongestUs));
  }
  if (const auto* worker = find_state(snapshot.prefill, decision.prefill_node)) {
    reckon_prefill(request, *worker);
  }
  const auto* target = find_state(snapshot.decode, decision.decode_node);
  request.decode_cached_tokens = target == nullptr ? 0 : target->cached_tokens;
  roster_.take_memory(decision.decode_node, request.prompt_tokens + request.asked.tokens_max);
  // The first attempt has the request's own id; no id is given twice.
  request.attempt = request.attempts == 0 ? id : next_id_++;
  ++request.attempts;
  attempts_[request.attempt] = id;
  const comm::NodeId node = request.decision.prefill_node;
  if (const Status sent = send(node, MessageType::kSubmit, submit_message(request)); !sent) {
    retry(id, sent.error(), {node});
  }
}

std::string Router::pipeline_of(const Request& request, const scheduler::Decision& decision) const {
  const bool has_level = options_.levels != nullptr && decision.level >= 0;
  if (!request.asked.pipeline.empty() || !has_level) return request.asked.pipeline;
  return options_.levels->levels[static_cast<std::size_t>(decision.level)].pipeline;
}

SubmitMessage Router::submit_message(const Request& request) const {
  const scheduler::RequestShape shape = shape_of(request);
  const double ttft_s = queue_.classes()[static_cast<std::size_t>(request.slo_class)].ttft_s;
  SubmitMessage submit;
  submit.request = request.attempt;
  submit.decode_node = request.decision.decode_node;
  submit.tokens_max = request.asked.tokens_max;
  submit.ignore_end = request.asked.ignore_end;
  submit.sampling = request.asked.sampling;
  submit.pipeline = pipeline_of(request, request.decision);
  submit.question_tokens = request.asked.question_tokens;
  submit.may_change_level = options_.scheduler.adapt_levels && request.asked.pipeline.empty() &&
                            request.decision.level >= 0 && !request.is_local();
  if (std::isfinite(ttft_s)) {
    const double left_us = (ttft_s - shape.waited_s) * 1e6;
    submit.ttft_left_us = static_cast<std::int64_t>(std::clamp(left_us, 1.0, kLongestUs));
  }
  submit.kl_max = shape.kl_max;
  submit.decode_cached_tokens = request.decode_cached_tokens;
  submit.prompt = request.asked.prompt;
  return submit;
}

void Router::report_decision(RequestId id, const scheduler::Snapshot& snapshot,
                             const scheduler::RequestShape& shape,
                             const scheduler::Decision& decision,
                             std::span<const scheduler::Alternative> alternatives) {
  const Request& request = requests_.at(id);
  const std::string pipeline = pipeline_of(request, decision);
  const auto cached_at = [](const std::vector<scheduler::WorkerState>& states, comm::NodeId node) {
    for (const auto& state : states) {
      if (state.node == node) return state.cached_tokens;
    }
    return std::int64_t{0};
  };
  options_.on_decision(
      {.request = id,
       .attempt = request.attempts + 1,
       .time_us = now_us(),
       .slo_class = queue_.classes()[static_cast<std::size_t>(request.slo_class)].name,
       .shape = shape,
       .snapshot = snapshot,
       .decision = decision,
       .alternatives = alternatives,
       .pipeline = pipeline,
       .correction = correction(),
       .prefill_cached_tokens = cached_at(snapshot.prefill, decision.prefill_node),
       .decode_cached_tokens = cached_at(snapshot.decode, decision.decode_node),
       .queued = static_cast<std::int64_t>(queue_.size())});
}

}  // namespace sluice::runtime
