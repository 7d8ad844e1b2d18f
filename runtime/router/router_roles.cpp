// SPDX-License-Identifier: Apache-2.0
// Workers that shall end or change their role: no new work, and when theirs is done they are told.
#include <algorithm>

#include "runtime/router/router.hpp"

namespace sluice::runtime {
namespace {

// Roles are thought about so often; what makes one change has to hold for longer.
constexpr std::int64_t kBalanceUs = 1'000'000;

// Spreads `tokens` over those who can be given work.
void add_work(std::vector<scheduler::WorkerState>& workers, std::int64_t tokens) {
  const auto count = std::count_if(workers.begin(), workers.end(),
                                   [](const auto& worker) { return worker.alive; });
  for (scheduler::WorkerState& worker : workers) {
    if (worker.alive) worker.queued_tokens += tokens / count;
  }
}

}  // namespace

void Router::balance_roles() {
  const std::int64_t now = now_us();
  if (!options_.scheduler.switch_roles || !announced_ || now - balanced_us_ < kBalanceUs) return;
  balanced_us_ = now;
  // What is queued here waits for the side that the policy last waited for.
  scheduler::Snapshot all = snapshot({});
  bool waits_for_decode = false;
  std::int64_t output_tokens = 0;
  for (const RequestId id : waiting_) {
    const Request& request = requests_.at(id);
    waits_for_decode = waits_for_decode || request.wait_was_told;
    output_tokens += request.tokens_left;
  }
  if (waits_for_decode) {
    add_work(all.decode, output_tokens);
  } else {
    add_work(all.prefill, queue_.prompt_tokens());
  }
  const auto change = role_balance_.decide(all, seconds(now));
  if (change) (void)drain(change->node, change->to_prefill ? Role::kPrefill : Role::kDecode);
}

Status Router::drain(comm::NodeId node, Role as) {
  Roster::Worker* worker = roster_.find(node);
  if (worker == nullptr || as == Role::kRouter) {
    return make_error(ErrorCode::kInvalidArgument,
                      "rank " + std::to_string(node) + " is no worker that could be drained");
  }
  if (!worker->is_usable()) {
    return make_error(ErrorCode::kUnavailable, roster_.name(node) + " is not at work");
  }
  if (!roster_.has_usable(worker->role, {node})) {
    return make_error(ErrorCode::kUnavailable, roster_.name(node) + " is the last one of its role");
  }
  worker->is_draining = true;
  if (as != worker->role) worker->becomes = as;
  const std::string then =
      as == worker->role ? std::string("end") : std::string("join again as ") + role_name(as);
  tell(roster_.name(node) + " takes no new work and will " + then);
  return {};
}

// Messages may overtake each other, and a decode worker does not know of what a prefill worker
// still has for it: so who is drained is told when nothing is placed there any more.
void Router::tell_drained() {
  for (const auto& [node, state] : roster_.workers()) {
    Roster::Worker& worker = *roster_.find(node);
    if (!worker.is_draining || worker.was_told || !worker.is_alive) continue;
    if (is_placed_on(node)) continue;
    worker.was_told = true;
    (void)send(node, MessageType::kDrain, DrainMessage{worker.becomes.value_or(worker.role)});
  }
}

bool Router::is_placed_on(comm::NodeId node) const {
  return std::any_of(requests_.begin(), requests_.end(), [&](const auto& entry) {
    const Request& request = entry.second;
    return request.attempt != 0 && (request.decision.decode_node == node ||
                                    (request.decision.prefill_node == node && !request.prefilled));
  });
}

// The role in which a process may join as this rank: of one that was to change it, either.
Status Router::check_role(comm::NodeId node, Role role) const {
  const Roster::Worker* worker = roster_.find(node);
  if (worker == nullptr || role == worker->role || role == worker->becomes) return {};
  return make_error(ErrorCode::kInvalidArgument,
                    "the process that would be rank " + std::to_string(node) + " is a " +
                        role_name(role) + " worker, and the rank's role is " +
                        role_name(worker->role));
}

}  // namespace sluice::runtime
