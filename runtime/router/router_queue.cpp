// SPDX-License-Identifier: Apache-2.0
// The router's queue: who is let in, who is placed next, who is told that it will not be in time.
#include <algorithm>
#include <limits>

#include "runtime/router/router.hpp"
#include "scheduler/cost_model.hpp"

namespace sluice::runtime {
namespace {

// What waits is asked again when something has changed, and after so long in any case: figures that
// only time changes count too.
constexpr std::int64_t kAskAgainUs = 50'000;
// So much work a prefill worker is given ahead: it is never idle, and who is first is still decided
// here, by deadline.
constexpr double kAheadS = 0.5;
// The prompt by which workers' speeds are added up.
constexpr std::int64_t kUsualPromptTokens = 512;

bool is_measured(const scheduler::WorkerState& worker, const scheduler::LevelTable* levels) {
  return worker.prefill_speed.is_known() ||
         (levels != nullptr && levels->prefill_s_per_token > 0.0);
}

}  // namespace

std::vector<scheduler::SloClass> Router::classes_of(const SchedulerConfig& config) {
  std::vector<scheduler::SloClass> classes;
  for (const SloClassConfig& one : config.classes) {
    classes.push_back({one.name, one.ttft_s, one.quality_floor, one.ageing, one.may_reject});
  }
  return classes;
}

// Any thread: the classes never change.
Result<std::int32_t> Router::find_class(const std::string& name) const {
  if (name.empty()) return 0;
  const auto& classes = queue_.classes();
  std::string names;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (classes[i].name == name) return static_cast<std::int32_t>(i);
    names += (names.empty() ? "" : ", ") + classes[i].name;
  }
  return make_error(ErrorCode::kInvalidArgument,
                    "there is no class of requests \"" + name + "\"; there are " + names);
}

void Router::take(Submission submission) {
  const RequestId id = submission.id;
  Request& request = requests_[id];
  request.stream = std::move(submission.stream);
  request.asked = std::move(submission.request);
  request.slo_class = submission.slo_class;
  request.submitted_us = submission.submitted_us;
  request.prompt_tokens = static_cast<std::int64_t>(request.asked.prompt.size());
  request.tokens_left = request.asked.tokens_max;
  if (shutdown_since_us_) {
    return fail(id, make_error(ErrorCode::kUnavailable, "the server is stopping"));
  }
  const auto refusal = queue_.offer({.id = id,
                                     .slo_class = request.slo_class,
                                     .prompt_tokens = request.prompt_tokens,
                                     .output_tokens_max = request.asked.tokens_max,
                                     .arrived_s = seconds(request.submitted_us)},
                                    outlook_for(request.prompt_tokens), seconds(now_us()));
  if (refusal) return refuse(id, refusal->reason, refusal->retry_after_s);
  request.is_queued = true;
  wait(id);
  has_changed_ = true;
}

// Of prefill: the least that any worker has ahead, and what all of them do; all 0 while there is
// one whose speed nobody has measured.
scheduler::AdmissionOutlook Router::outlook_for(std::int64_t prompt_tokens) const {
  const scheduler::LevelTable* levels = options_.levels.get();
  const scheduler::Snapshot snapshot = roster_.snapshot(loads(), {});
  double backlog_s = std::numeric_limits<double>::infinity();
  double tokens_per_s = 0.0;
  double service_s = std::numeric_limits<double>::infinity();
  for (const scheduler::WorkerState& worker : snapshot.prefill) {
    if (!worker.alive) continue;
    if (!is_measured(worker, levels)) return {};
    backlog_s = std::min(backlog_s, scheduler::queue_seconds(worker, levels));
    service_s = std::min(service_s, scheduler::prefill_seconds(worker, levels, prompt_tokens, 0));
    const double usual_s = scheduler::prefill_seconds(worker, levels, kUsualPromptTokens, 0);
    if (usual_s > 0.0) tokens_per_s += static_cast<double>(kUsualPromptTokens) / usual_s;
  }
  if (tokens_per_s == 0.0) return {};
  return {backlog_s, service_s, 1.0 / tokens_per_s};
}

bool Router::has_idle_prefill() const {
  const scheduler::LevelTable* levels = options_.levels.get();
  const scheduler::Snapshot snapshot = roster_.snapshot(loads(), {});
  return std::any_of(
      snapshot.prefill.begin(), snapshot.prefill.end(), [&](const scheduler::WorkerState& worker) {
        return worker.alive &&
               (!is_measured(worker, levels) || scheduler::queue_seconds(worker, levels) < kAheadS);
      });
}

void Router::wait(RequestId id) {
  if (waiting_.insert(id).second) requests_.at(id).waiting_since_us = now_us();
}

std::optional<Role> Router::missing_role() const {
  for (const Role role : {Role::kPrefill, Role::kDecode}) {
    if (!roster_.has_usable(role)) return role;
  }
  return std::nullopt;
}

void Router::place_waiting() {
  const std::int64_t now = now_us();
  const std::optional<Role> missing = missing_role();
  if (!missing) missing_since_us_ = now;
  if (waiting_.empty()) return;
  if (missing) return wait_for_workers(*missing);
  if (!std::exchange(has_changed_, false) && now - asked_us_ < kAskAgainUs) return;
  asked_us_ = now;
  // Those that were placed before have waited longest.
  for (const RequestId id : std::vector<RequestId>(waiting_.begin(), waiting_.end())) {
    if (!requests_.at(id).is_queued) place(id);
  }
  place_queued();
  refuse_hopeless();
}

// Nobody of a role can be given work now.
void Router::wait_for_workers(Role missing) {
  const bool may_return = roster_.may_return(missing);
  for (const RequestId id : std::vector<RequestId>(waiting_.begin(), waiting_.end())) {
    const std::int64_t since_us = std::max(requests_.at(id).waiting_since_us, missing_since_us_);
    if (may_return && now_us() - since_us < kPatienceUs) continue;
    fail(id, make_error(ErrorCode::kUnavailable, roster_.why_none(missing)));
  }
}

void Router::place_queued() {
  while (const auto id = queue_.front(seconds(now_us()))) {
    if (!has_idle_prefill()) return;
    place(*id);
    // Nobody overtakes who has to wait: a long prompt would wait for ever.
    const auto found = requests_.find(*id);
    if (found != requests_.end() && found->second.is_queued) return;
  }
}

void Router::refuse_hopeless() {
  if (queue_.size() == 0) return;
  const scheduler::AdmissionOutlook outlook = outlook_for(kUsualPromptTokens);
  const double s_per_token = outlook.service_s / static_cast<double>(kUsualPromptTokens);
  for (const RequestId id : queue_.take_hopeless(s_per_token, seconds(now_us()))) {
    refuse(id, "its objective is out of reach", outlook.backlog_s);
  }
}

// `reason`: a clause of a fixed set.
void Router::refuse(RequestId id, const char* reason, double retry_after_s) {
  const Request& request = requests_.at(id);
  scheduler::Decision decision;
  decision.verdict = scheduler::Verdict::kReject;
  decision.reason = reason;
  decision.retry_after_s = std::max(retry_after_s, 1.0);
  if (options_.on_decision) {
    report_decision(id, {}, shape_of(request), decision, {});
  }
  reject(id, decision);
}

void Router::reject(RequestId id, const scheduler::Decision& decision) {
  fail(id,
       make_error(ErrorCode::kResourceExhausted,
                  "there is no capacity for the request now: " + std::string(decision.reason)),
       std::max(decision.retry_after_s, 1.0));
}

}  // namespace sluice::runtime
