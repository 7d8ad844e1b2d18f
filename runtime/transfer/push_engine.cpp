// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/push_engine.hpp"

#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "runtime/transfer/arena.hpp"
#include "runtime/transfer/fault_point.hpp"
#include "runtime/transfer/push_handoff.hpp"
#include "runtime/transfer/push_link.hpp"
#include "runtime/transfer/push_operations.hpp"

namespace sluice::runtime {

class PushEngine::Impl {
 public:
  Impl(comm::Transport& transport, const comm::Region& staging, PushOptions options)
      : transport_(transport), region_(staging), options_(options), staging_(staging.bytes) {}

  void set_arena(comm::NodeId target, const comm::RemoteRegion& arena);
  Result<MutableBytes> open(const PushRequest& request);
  void add(RequestId request, const Piece& piece, std::size_t room_bytes);
  void finish(RequestId request, ManifestMessage manifest);
  void abort(RequestId request, const Error& error);
  void release(RequestId request);
  bool take(comm::NodeId peer, MessageType type, Bytes payload);
  bool take(const comm::Completion& completion);
  void peer_lost(comm::NodeId peer, const Status& why);
  void turn();

  std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }
  const PushLink* find_link(comm::NodeId peer) const;
  PushLink& link_to(comm::NodeId peer);
  std::vector<LinkReport> link_reports() const;
  std::size_t staging_bytes_taken() const { return staging_.bytes_taken(); }
  Passage passage(RequestId request) const;

 private:
  PushHandoff* find(RequestId request);
  PushHandoff* find_of(RequestId request, comm::NodeId peer);
  Status check(const PushRequest& request) const;

  void take_grant(comm::NodeId peer, Bytes payload);
  void take_taken(comm::NodeId peer, Bytes payload);
  void take_again(comm::NodeId peer, Bytes payload);
  bool take_failed(comm::NodeId peer, Bytes payload);

  void settle(PushLink& link);
  Status settle(PushHandoff& handoff);
  Status announce(PushHandoff& handoff);
  void fail(PushHandoff& handoff, const Error& error, bool target_knows = false);
  void end(PushHandoff& handoff, Status status, bool target_knows);
  void fail_link(PushLink& link, const Error& why, bool forever = false);
  void release_if_idle(PushHandoff& handoff);
  template <class Message>
  Status send(PushLink& link, MessageType type, const Message& message) {
    return link.send(type, message.encode());
  }

  comm::Transport& transport_;
  const comm::Region region_;
  const PushOptions options_;
  Arena staging_;
  PushOperations operations_;
  // Both keep their addresses: operations in flight name them.
  std::map<comm::NodeId, std::unique_ptr<PushLink>> links_;
  std::unordered_map<RequestId, std::unique_ptr<PushHandoff>> handoffs_;
  std::vector<Ended> ended_;
  PiecesMessage pieces_;  // reused
};

PushLink& PushEngine::Impl::link_to(comm::NodeId peer) {
  auto& link = links_[peer];
  if (link == nullptr) link = std::make_unique<PushLink>(peer, transport_, operations_);
  return *link;
}

const PushLink* PushEngine::Impl::find_link(comm::NodeId peer) const {
  const auto found = links_.find(peer);
  return found == links_.end() ? nullptr : found->second.get();
}

// Null also for one whose end has been told: only its memory is still held.
PushHandoff* PushEngine::Impl::find(RequestId request) {
  const auto found = handoffs_.find(request);
  return found == handoffs_.end() || found->second->books.is_over ? nullptr : found->second.get();
}

PushEngine::Passage PushEngine::Impl::passage(RequestId request) const {
  const auto found = handoffs_.find(request);
  if (found == handoffs_.end() || found->second->is_stopped()) return {};
  return {found->second->added_bytes(), found->second->flushed_bytes()};
}

PushHandoff* PushEngine::Impl::find_of(RequestId request, comm::NodeId peer) {
  PushHandoff* handoff = find(request);
  return handoff != nullptr && handoff->link().peer() == peer ? handoff : nullptr;
}

void PushEngine::Impl::set_arena(comm::NodeId target, const comm::RemoteRegion& arena) {
  PushLink& link = link_to(target);
  fail_link(link, make_error(ErrorCode::kUnavailable,
                             "another process has taken the decode worker's place"));
  link.set_arena(arena);
}

Status PushEngine::Impl::check(const PushRequest& request) const {
  const std::uint64_t bytes = request.want.frame_bytes;
  const std::uint64_t most = region_.bytes / Arena::kAlignmentBytes * Arena::kAlignmentBytes;
  if (bytes == 0 || bytes > most || request.want.frame_bytes_largest > bytes) {
    return make_error(ErrorCode::kInvalidArgument,
                      "frames of " + std::to_string(bytes) + " bytes do not fit the " +
                          std::to_string(most) + " bytes of memory for sending");
  }
  if (handoffs_.contains(request.want.request)) {
    return make_error(ErrorCode::kInvalidArgument, "there is a handoff of this request already");
  }
  const PushLink* link = find_link(request.target);
  if (link == nullptr || !link->had_arena()) {
    return make_error(ErrorCode::kInvalidArgument, "the target is not a decode worker");
  }
  if (!link->arena()) return make_error(ErrorCode::kUnavailable, "the decode worker is gone");
  return {};
}

Result<MutableBytes> PushEngine::Impl::open(const PushRequest& request) {
  SLUICE_TRY(check(request));
  const auto offset = staging_.acquire(request.want.frame_bytes);
  if (!offset) {
    return make_error(ErrorCode::kResourceExhausted, "there is no memory for sending now");
  }
  PushLink& link = link_to(request.target);
  pass_fault_point(FaultPoint::kPrefillBeforeWant);
  if (Status asked = send(link, MessageType::kWant, request.want); !asked) {
    staging_.release(*offset);
    return make_error(ErrorCode::kUnavailable,
                      "the decode worker cannot be reached: " + asked.error().message);
  }
  pass_fault_point(FaultPoint::kPrefillBeforeGrant);
  const MutableBytes memory(region_.data + *offset, request.want.frame_bytes);
  auto handoff = std::make_unique<PushHandoff>(request.want, memory, link);
  handoff->books.staging_offset = *offset;
  link.add(*handoff);
  handoffs_.emplace(request.want.request, std::move(handoff));
  return memory;
}

void PushEngine::Impl::add(RequestId request, const Piece& piece, std::size_t room_bytes) {
  PushHandoff* handoff = find(request);
  if (handoff == nullptr || handoff->is_stopped()) return;
  if (const Status added = handoff->add(piece, room_bytes); !added) {
    return fail(*handoff, added.error());
  }
  handoff->link().wake(*handoff);
}

void PushEngine::Impl::finish(RequestId request, ManifestMessage manifest) {
  PushHandoff* handoff = find(request);
  if (handoff == nullptr || handoff->is_stopped()) return;
  handoff->finish(std::move(manifest));
  handoff->link().note_news();  // perhaps all is flushed already
}

void PushEngine::Impl::abort(RequestId request, const Error& error) {
  if (PushHandoff* handoff = find(request)) fail(*handoff, error);
}

void PushEngine::Impl::release(RequestId request) {
  const auto found = handoffs_.find(request);
  if (found == handoffs_.end()) return;
  found->second->books.is_released = true;
  release_if_idle(*found->second);
}

void PushEngine::Impl::fail(PushHandoff& handoff, const Error& error, bool target_knows) {
  handoff.link().fail(handoff, error, target_knows);
  release_if_idle(handoff);
}

void PushEngine::Impl::end(PushHandoff& handoff, Status status, bool target_knows) {
  PushLink& link = handoff.link();
  if (!handoff.is_stopped()) link.meter().dropped(handoff.stop(), transport_.now_us());
  handoff.books.is_over = true;
  link.remove(handoff);
  ended_.push_back({handoff.request(), std::move(status), target_knows});
  release_if_idle(handoff);
}

// The staging memory is free once nobody reads or writes it any more, which may be before the last
// word; the handoff is forgotten after both.
void PushEngine::Impl::release_if_idle(PushHandoff& handoff) {
  PushHandoff::Books& books = handoff.books;
  if (!handoff.is_stopped() || !books.is_released || books.writes_in_flight != 0) return;
  if (!std::exchange(books.gave_staging_back, true)) staging_.release(books.staging_offset);
  if (books.is_over) handoffs_.erase(handoff.request());
}

// Nobody at the other end can be told anything.
void PushEngine::Impl::fail_link(PushLink& link, const Error& why, bool forever) {
  const std::vector<PushHandoff*> handoffs = link.handoffs();
  link.lose(forever);
  for (PushHandoff* handoff : handoffs) {
    const bool target_knows = handoff->books.target_knows;
    end(*handoff, handoff->books.failure.value_or(why), target_knows);
  }
}

void PushEngine::Impl::peer_lost(comm::NodeId peer, const Status& why) {
  const auto found = links_.find(peer);
  if (found == links_.end()) return;
  const std::string text = why ? std::string("it is lost") : why.error().message;
  fail_link(
      *found->second,
      make_error(ErrorCode::kUnavailable, "the decode worker of the request is gone: " + text),
      true);
}

bool PushEngine::Impl::take(comm::NodeId peer, MessageType type, Bytes payload) {
  switch (type) {
    case MessageType::kGrant:
      take_grant(peer, payload);
      return true;
    case MessageType::kTaken:
      take_taken(peer, payload);
      return true;
    case MessageType::kAgain:
      take_again(peer, payload);
      return true;
    case MessageType::kFailed:
      return take_failed(peer, payload);
    default:
      return false;
  }
}

void PushEngine::Impl::take_grant(comm::NodeId peer, Bytes payload) {
  const auto grant = GrantMessage::decode(payload);
  if (!grant) return;
  PushHandoff* handoff = find(grant->request);
  if (handoff != nullptr && handoff->link().peer() != peer) return;
  if (handoff == nullptr || (handoff->books.failure && !handoff->granted())) {
    // It has ended here meanwhile: nothing will be written, so that the slot is free again.
    const FailedMessage ended{grant->request, ErrorCode::kCancelled, "the request has ended"};
    (void)transport_.send(peer, static_cast<std::uint16_t>(MessageType::kFailed), ended.encode());
    return;
  }
  PushLink& link = handoff->link();
  if (handoff->books.failure) return;
  const Status granted = handoff->grant(*grant, link.arena()->bytes);
  if (granted) {
    link.wake(*handoff);
    link.note_news();  // there may be no frames to write
  } else if (granted.error().code == ErrorCode::kCorrupt) {
    fail(*handoff, granted.error());
  }
}

void PushEngine::Impl::take_taken(comm::NodeId peer, Bytes payload) {
  const auto taken = TakenMessage::decode(payload);
  if (!taken) return;
  PushHandoff* handoff = find_of(taken->request, peer);
  if (handoff == nullptr || handoff->is_stopped()) return;
  if (const Status status = handoff->taken(*taken); !status) {
    return fail(*handoff, status.error());
  }
  if (handoff->is_all_taken()) return end(*handoff, {}, false);
  handoff->link().wake(*handoff);
}

void PushEngine::Impl::take_again(comm::NodeId peer, Bytes payload) {
  const auto again = AgainMessage::decode(payload);
  if (!again) return;
  PushHandoff* handoff = find_of(again->request, peer);
  if (handoff == nullptr || handoff->is_stopped()) return;
  if (const Status queued = handoff->again(*again); !queued) {
    return fail(*handoff, queued.error());
  }
  handoff->link().wake(*handoff);
}

bool PushEngine::Impl::take_failed(comm::NodeId peer, Bytes payload) {
  const auto failed = FailedMessage::decode(payload);
  if (!failed) return false;
  PushHandoff* handoff = find_of(failed->request, peer);
  if (handoff == nullptr) return false;
  fail(*handoff, make_error(failed->code, failed->message), true);
  return true;
}

bool PushEngine::Impl::take(const comm::Completion& completion) {
  const auto operation = operations_.take(completion.operation);
  if (!operation) return false;
  PushLink& link = *operation->link;
  if (const Status done = link.complete(*operation, completion.status); !done) {
    fail_link(link, done.error());
  }
  if (operation->handoff != nullptr) release_if_idle(*operation->handoff);
  return true;
}

void PushEngine::Impl::turn() {
  for (const auto& [peer, link] : links_) {
    if (link->take_news()) settle(*link);
    const Status posted = link->post(options_.coalesce_bytes, region_.kind == MemoryKind::kHost);
    if (!posted) fail_link(*link, posted.error());
  }
}

// Says what there is to say of each handoff: frames that have landed, the manifest, a last word.
void PushEngine::Impl::settle(PushLink& link) {
  for (std::size_t i = 0; i < link.handoffs().size();) {
    PushHandoff* handoff = link.handoffs()[i];
    if (const Status told = settle(*handoff); !told) return fail_link(link, told.error());
    // One that ended has left the list.
    if (i < link.handoffs().size() && link.handoffs()[i] == handoff) ++i;
  }
}

Status PushEngine::Impl::settle(PushHandoff& handoff) {
  PushLink& link = handoff.link();
  if (!handoff.books.failure) return announce(handoff);
  if (!handoff.has_landed(link.flushes_done())) return {};
  const Error& error = *handoff.books.failure;
  // A target that failed before it granted anything waits for no word.
  if (handoff.granted() || !handoff.books.target_knows) {
    SLUICE_TRY(send(link, MessageType::kFailed,
                    FailedMessage{handoff.request(), error.code, error.message}));
  }
  end(handoff, error, handoff.books.target_knows);
  return {};
}

Status PushEngine::Impl::announce(PushHandoff& handoff) {
  PushLink& link = handoff.link();
  if (!handoff.granted()) return {};
  pieces_.pieces.clear();
  handoff.announce(link.flushes_done(), pieces_.pieces);
  if (!pieces_.pieces.empty()) {
    pass_fault_point(FaultPoint::kPrefillAfterFlush);
    pieces_.request = handoff.request();
    pieces_.epoch = handoff.granted()->epoch;
    SLUICE_TRY(send(link, MessageType::kPieces, pieces_));
  }
  if (const auto manifest = handoff.manifest_to_send()) {
    pass_fault_point(FaultPoint::kPrefillBeforeManifest);
    SLUICE_TRY(send(link, MessageType::kManifest, *manifest));
  }
  return {};
}

std::vector<LinkReport> PushEngine::Impl::link_reports() const {
  const std::int64_t now_us = transport_.now_us();
  std::vector<LinkReport> reports;
  for (const auto& [peer, link] : links_) {
    if (!link->was_used()) continue;
    const comm::LinkEstimate seen = link->meter().estimate(now_us);
    LinkReport report;
    report.peer = peer;
    report.has_card = seen.has_card ? 1 : 0;
    report.capacity_bytes_per_s = seen.capacity_bytes_per_s;
    report.free_bytes_per_s = seen.free_bytes_per_s;
    report.goodput_bytes_per_s = seen.goodput_bytes_per_s;
    report.other_bytes_per_s = seen.other_bytes_per_s;
    report.utilization = seen.utilization;
    report.queued_bytes = seen.queued_bytes;
    report.round_trip_us = seen.round_trip_us;
    report.age_us = seen.measured_us == 0 ? -1 : now_us - seen.measured_us;
    reports.push_back(report);
  }
  return reports;
}

PushEngine::PushEngine(comm::Transport& transport, const comm::Region& staging, PushOptions options)
    : impl_(std::make_unique<Impl>(transport, staging, options)) {}
PushEngine::~PushEngine() = default;

void PushEngine::set_arena(comm::NodeId target, const comm::RemoteRegion& arena) {
  impl_->set_arena(target, arena);
}
Result<MutableBytes> PushEngine::open(const PushRequest& request) { return impl_->open(request); }
void PushEngine::add(RequestId request, const Piece& piece, std::size_t room_bytes) {
  impl_->add(request, piece, room_bytes);
}
void PushEngine::finish(RequestId request, ManifestMessage manifest) {
  impl_->finish(request, std::move(manifest));
}
void PushEngine::abort(RequestId request, const Error& error) { impl_->abort(request, error); }
void PushEngine::release(RequestId request) { impl_->release(request); }
bool PushEngine::take(comm::NodeId peer, MessageType type, Bytes payload) {
  return impl_->take(peer, type, payload);
}
bool PushEngine::take(const comm::Completion& completion) { return impl_->take(completion); }
void PushEngine::peer_lost(comm::NodeId peer, const Status& why) { impl_->peer_lost(peer, why); }
void PushEngine::turn() { impl_->turn(); }
std::vector<PushEngine::Ended> PushEngine::take_ended() { return impl_->take_ended(); }
bool PushEngine::has_handoffs_to(comm::NodeId peer) const {
  const PushLink* link = impl_->find_link(peer);
  return link != nullptr && !link->handoffs().empty();
}
std::size_t PushEngine::staging_bytes_taken() const { return impl_->staging_bytes_taken(); }
PushEngine::Passage PushEngine::passage(RequestId request) const {
  return impl_->passage(request);
}
comm::LinkMeter& PushEngine::meter(comm::NodeId peer) { return impl_->link_to(peer).meter(); }
std::vector<LinkReport> PushEngine::link_reports() const { return impl_->link_reports(); }

}  // namespace sluice::runtime
