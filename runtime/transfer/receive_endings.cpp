// SPDX-License-Identifier: Apache-2.0
// How requests end: complete, or failed with slots that wait for their writers' last words.
#include <utility>
#include <vector>

#include "runtime/transfer/fault_point.hpp"
#include "runtime/transfer/receive_engine_impl.hpp"

namespace sluice::runtime {

void ReceiveEngine::Impl::fail(RequestId id, IncomingRequest& request, const Error& error,
                               bool tell) {
  if (request.failure) return;
  request.failure = IncomingRequest::Failure{error, tell};
  changed_.insert(id);
  for (auto& [node, handoff] : request.handoffs) {
    if (handoff.is_done) continue;
    queue_.remove({id, node});
    to_tell_.erase({id, node});
    if (!handoff.is_closed()) send_failed(node, id, error);
    if (handoff.has_slot()) {
      quarantined_bytes_ += arena_.bytes_of(handoff.slot().offset_bytes);
    } else {
      count_out(handoff);
    }
  }
}

void ReceiveEngine::Impl::settle() {
  while (!changed_.empty()) {
    const RequestId id = *changed_.begin();
    changed_.erase(changed_.begin());
    const auto found = requests_.find(id);
    if (found == requests_.end()) continue;
    if (!found->second.failure) finish(id, found->second);
    // finish() may have failed it, or erased it.
    const auto again = requests_.find(id);
    if (again != requests_.end() && again->second.failure) wind_up(id, again->second);
  }
}

void ReceiveEngine::Impl::finish(RequestId id, IncomingRequest& request) {
  std::int32_t done = 0;
  for (auto& [node, handoff] : request.handoffs) {
    if (!handoff.is_done && handoff.has_slot()) {
      const auto complete = handoff.is_complete();
      if (!complete) return fail(id, request, complete.error(), true);
      if (*complete) {
        handoff.is_done = true;
        to_tell_.erase({id, node});
        send_taken(id, handoff, true);
        release_slot(handoff);
        count_out(handoff);
      }
    }
    done += handoff.is_done ? 1 : 0;
  }
  if (done != request.writers) return;
  std::vector<ManifestMessage> manifests;
  for (const auto& [node, handoff] : request.handoffs) manifests.push_back(handoff.manifest());
  requests_.erase(id);
  ended_.add(id);
  sink_.complete(id, manifests);
}

// A failed request: the sink's part ends with its last frame, a slot with its writer's last word.
void ReceiveEngine::Impl::wind_up(RequestId id, IncomingRequest& request) {
  if (request.in_work == 0 && !request.is_dropped) {
    request.is_dropped = true;
    const IncomingRequest::Failure failure = *request.failure;
    sink_.drop(id, failure.error, failure.tell);
  }
  bool holds_slots = false;
  for (auto& [node, handoff] : request.handoffs) {
    if (!handoff.has_slot()) continue;
    if (handoff.has_last_word() && handoff.in_work == 0) {
      quarantined_bytes_ -= arena_.bytes_of(handoff.slot().offset_bytes);
      release_slot(handoff);
      count_out(handoff);
    } else {
      holds_slots = true;
    }
  }
  if (!request.is_dropped || holds_slots) return;
  requests_.erase(id);
  ended_.add(id);
}

void ReceiveEngine::Impl::release_slot(IncomingHandoff& handoff) {
  arena_.release(handoff.slot().offset_bytes);
  handoff.give_slot_back();
}

void ReceiveEngine::Impl::count_out(IncomingHandoff& handoff) {
  if (!std::exchange(handoff.is_open, false)) return;
  const auto open = open_.find(handoff.source());
  if (--open->second == 0) open_.erase(open);
}

void ReceiveEngine::Impl::send_taken(RequestId id, IncomingHandoff& handoff, bool is_all) {
  pass_fault_point(FaultPoint::kDecodeBeforeTaken);
  // When it cannot be told, it is lost: peer_lost() ends the request.
  (void)send(handoff.source(), MessageType::kTaken,
             TakenMessage{id, handoff.slot().epoch, handoff.take_taken(), is_all});
}

}  // namespace sluice::runtime
