// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/engine_world.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "runtime/transfer/checksum.hpp"

namespace sluice::tests {

using comm::Completion;
using comm::CompletionKind;
using runtime::MessageType;
using runtime::Piece;
using runtime::RequestId;

namespace {

// The bytes of a frame: no two are alike, and none is like itself moved by a few bytes.
void fill(RequestId request, std::int64_t layer, std::int64_t first_token, MutableBytes bytes) {
  std::uint64_t state = request * 0x9e3779b97f4a7c15ULL + static_cast<std::uint64_t>(layer) * 977 +
                        static_cast<std::uint64_t>(first_token) * 31337 + 1;
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(state)) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    std::memcpy(bytes.data() + i, &state, std::min(sizeof(state), bytes.size() - i));
  }
}

std::uint64_t checksum_of(Bytes bytes) {
  std::uint64_t sum = bytes.size();
  for (std::size_t i = 0; i < bytes.size(); i += sizeof(sum)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min(sizeof(word), bytes.size() - i));
    sum = (sum ^ word) * 0x100000001b3ULL;
    sum ^= sum >> 29;
  }
  return sum;
}

}  // namespace

// --- the sender ---------------------------------------------------------------------------------

PushNode::PushNode(const std::shared_ptr<comm::sim::World>& world, comm::NodeId self,
                   std::size_t staging_bytes)
    : world_(world), transport_(comm::sim::open_sim_on(world, {.self = self}).value()) {
  const comm::Region staging = transport_->allocate(staging_bytes, comm::MemoryKind::kHost).value();
  engine_ = std::make_unique<runtime::PushEngine>(*transport_, staging, runtime::PushOptions{});
}

void PushNode::meet(comm::Transport& receiver, const comm::Region& arena) {
  transport_->connect(receiver.self(), receiver.address()).value();
  receiver.connect(transport_->self(), transport_->address()).value();
  const auto key = receiver.export_region(arena).value();
  engine_->set_arena(receiver.self(), transport_->import_region(receiver.self(), key).value());
}

void PushNode::turn() {
  std::array<Completion, 16> some;
  while (const std::size_t count = transport_->poll(some)) {
    for (std::size_t i = 0; i < count; ++i) {
      const Completion& completion = some[i];
      if (completion.kind == CompletionKind::kMessage) {
        engine_->take(completion.peer, static_cast<MessageType>(completion.type),
                      completion.payload);
      } else if (completion.kind == CompletionKind::kPeerLost) {
        engine_->peer_lost(completion.peer, completion.status);
      } else {
        engine_->take(completion);
      }
    }
  }
  for (auto& [request, making] : made_) make_frames(making);
  engine_->turn();
  for (const runtime::PushEngine::Ended& ended : engine_->take_ended()) {
    const bool is_first = ended_.emplace(ended.request, ended.status).second;
    SLUICE_CHECK(is_first, "a handoff ended twice");
    if (const auto found = made_.find(ended.request); found != made_.end()) {
      found->second.has_ended = true;
    }
  }
  // The maker of frames goes on to its end whatever happens, and writes into its memory until then.
  for (auto entry = made_.begin(); entry != made_.end();) {
    const bool is_made = entry->second.next == entry->second.plan.frames();
    if (!is_made || !entry->second.has_ended) {
      ++entry;
      continue;
    }
    engine_->release(entry->first);
    entry = made_.erase(entry);
  }
  start_waiting();
  engine_->turn();
}

void PushNode::start_waiting() {
  while (!waiting_.empty()) {
    const HandoffPlan plan = waiting_.front();
    runtime::WantMessage want;
    want.request = plan.request;
    want.prompt_tokens = plan.parts * HandoffPlan::kPartTokens;
    want.tokens_max = 1;
    want.frame_bytes = plan.room_bytes() * static_cast<std::size_t>(plan.frames());
    want.frame_bytes_largest = plan.room_bytes();
    want.range = kEngineCache;
    auto memory = engine_->open({plan.target, want});
    if (!memory && memory.error().code == ErrorCode::kResourceExhausted) return;
    waiting_.pop_front();
    if (!memory) {
      ended_.emplace(plan.request, memory.error());
      continue;
    }
    Making making{plan, *memory, 0, world_->now_us() + plan.frame_us, false};
    world_->at(making.due_us, [] {});
    made_.emplace(plan.request, making);
  }
}

void PushNode::make_frames(Making& making) {
  const HandoffPlan& plan = making.plan;
  while (making.next < plan.frames() && making.due_us <= world_->now_us()) {
    const std::int64_t layer = making.next % kEngineLayers;
    const std::int64_t first_token = making.next / kEngineLayers * HandoffPlan::kPartTokens;
    Piece piece;
    piece.range = {static_cast<std::int32_t>(layer), 1, 0, 1};
    piece.first_token = first_token;
    piece.last_token = first_token + HandoffPlan::kPartTokens;
    piece.offset_bytes = static_cast<std::uint64_t>(making.next) * plan.room_bytes();
    piece.bytes = plan.frame_bytes;
    const MutableBytes frame = making.memory.subspan(piece.offset_bytes, piece.bytes);
    fill(plan.request, layer, first_token, frame);
    piece.checksum = checksum_of(frame);
    ++making.next;
    making.due_us += plan.frame_us;
    if (making.next < plan.frames()) world_->at(making.due_us, [] {});
    if (making.has_ended) continue;
    engine_->add(plan.request, piece);
    if (making.next < plan.frames()) continue;
    runtime::ManifestMessage manifest;
    manifest.request = plan.request;
    manifest.prompt_tokens = plan.parts * HandoffPlan::kPartTokens;
    manifest.tokens_max = 1;
    engine_->finish(plan.request, std::move(manifest));
  }
}

// --- the receiver -------------------------------------------------------------------------------

ReceiveNode::ReceiveNode(const std::shared_ptr<comm::sim::World>& world, comm::NodeId self,
                         const ReceiveNodeOptions& options)
    : options_(options),
      world_(world),
      transport_(comm::sim::open_sim_on(world, {.self = self}).value()),
      arena_(transport_->allocate(options.arena_bytes, comm::MemoryKind::kHost).value()) {
  runtime::ReceiveOptions receive;
  receive.range = kEngineCache;
  receive.slot_bytes_max = options.slot_bytes_max;
  engine_ = std::make_unique<runtime::ReceiveEngine>(*transport_, arena_, *this, receive);
}

void ReceiveNode::turn() {
  std::array<Completion, 16> some;
  while (const std::size_t count = transport_->poll(some)) {
    for (std::size_t i = 0; i < count; ++i) {
      const Completion& completion = some[i];
      if (completion.kind == CompletionKind::kMessage) {
        engine_->take(completion.peer, static_cast<MessageType>(completion.type),
                      completion.payload);
      } else if (completion.kind == CompletionKind::kPeerLost) {
        engine_->peer_lost(completion.peer, completion.status, completion.fate);
      }
    }
  }
  while (!held_.empty() && held_.front().due_us <= world_->now_us()) {
    const runtime::LandedFrame frame = held_.front().frame;
    held_.pop_front();
    check(frame);
  }
  engine_->turn();
}

Result<bool> ReceiveNode::open(RequestId request, const runtime::ReceiveTerms&) {
  SLUICE_CHECK(opened.insert(request).second, "a request was opened twice");
  return true;
}

void ReceiveNode::take(const runtime::LandedFrame& frame) {
  if (options_.frame_us == 0) return check(frame);
  free_us_ = std::max(free_us_, world_->now_us()) + options_.frame_us;
  held_.push_back({frame, free_us_});
  world_->at(free_us_, [] {});
}

void ReceiveNode::check(const runtime::LandedFrame& frame) {
  if (checksum_of(frame.bytes) != frame.piece.checksum) {
    ++again;
    return engine_->frame_done(frame, make_error(ErrorCode::kCorrupt, "a damaged frame"));
  }
  std::vector<std::byte> expected(frame.bytes.size());
  fill(frame.request, frame.piece.range.layer_first, frame.piece.first_token, expected);
  if (!std::equal(expected.begin(), expected.end(), frame.bytes.begin())) ++wrong_bytes;
  engine_->frame_done(frame, {});
}

void ReceiveNode::complete(RequestId request, const std::vector<runtime::ManifestMessage>&) {
  SLUICE_CHECK(opened.erase(request) == 1, "a request that was not open is complete");
  ++completed[request];
}

void ReceiveNode::drop(RequestId request, const Error&, bool) {
  opened.erase(request);
  ++dropped[request];
}

// --- both ---------------------------------------------------------------------------------------

EngineWorld::EngineWorld(const comm::sim::WorldOptions& options, comm::NodeId sender_count,
                         std::size_t staging_bytes, comm::NodeId receiver_count,
                         const ReceiveNodeOptions& receiver_options)
    : world(comm::sim::make_world(options)) {
  for (comm::NodeId i = 0; i < sender_count; ++i) {
    senders.push_back(std::make_unique<PushNode>(world, i, staging_bytes));
  }
  for (comm::NodeId i = 0; i < receiver_count; ++i) {
    receivers.push_back(std::make_unique<ReceiveNode>(world, sender_count + i, receiver_options));
    for (const auto& sender : senders) {
      sender->meet(receivers.back()->transport(), receivers.back()->arena());
    }
  }
}

bool EngineWorld::run(const std::function<bool()>& is_done) {
  const auto can_turn = [&](comm::NodeId node) {
    return !dead_.contains(node) && !frozen_.contains(node);
  };
  while (!is_done()) {
    for (const auto& sender : senders) {
      if (can_turn(sender->transport().self())) sender->turn();
    }
    for (const auto& receiver : receivers) {
      if (can_turn(receiver->transport().self())) receiver->turn();
    }
    if (!world->advance()) return is_done();
  }
  return true;
}

void EngineWorld::kill(comm::NodeId node) {
  dead_.insert(node);
  world->kill(node);
}

void EngineWorld::set_frozen(comm::NodeId node, bool is_frozen) {
  is_frozen ? void(frozen_.insert(node)) : void(frozen_.erase(node));
  world->set_frozen(node, is_frozen);
}

}  // namespace sluice::tests
