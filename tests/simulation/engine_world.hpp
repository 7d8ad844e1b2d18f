// SPDX-License-Identifier: Apache-2.0
// The two transfer engines alone, any number of each, in a simulated world: frames of numbers that
// can be told from all others, and a sink that compares every byte of what it is given.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "comm/sim/sim.hpp"
#include "runtime/transfer/push_engine.hpp"
#include "runtime/transfer/receive_engine.hpp"

namespace sluice::tests {

inline constexpr std::int32_t kEngineLayers = 4;
inline constexpr runtime::CacheRange kEngineCache{0, kEngineLayers, 0, 1};

// A request's frames: of each layer, one for each part of the prompt.
struct HandoffPlan {
  runtime::RequestId request = 0;
  comm::NodeId target = 0;
  std::int64_t parts = 1;  // a part has kPartTokens tokens
  std::size_t frame_bytes = 0;
  std::int64_t frame_us = 0;  // a frame takes this long to be made

  static constexpr std::int64_t kPartTokens = 16;
  std::size_t room_bytes() const { return (frame_bytes + 63) / 64 * 64; }
  std::int64_t frames() const { return parts * kEngineLayers; }
};

class PushNode {
 public:
  PushNode(const std::shared_ptr<comm::sim::World>& world, comm::NodeId self,
           std::size_t staging_bytes);

  void meet(comm::Transport& receiver, const comm::Region& arena);
  void submit(const HandoffPlan& plan) { waiting_.push_back(plan); }
  void turn();

  comm::Transport& transport() { return *transport_; }
  runtime::PushEngine& engine() { return *engine_; }
  const std::map<runtime::RequestId, Status>& ended() const { return ended_; }
  std::size_t open() const { return waiting_.size() + made_.size(); }

 private:
  struct Making {
    HandoffPlan plan;
    MutableBytes memory;
    std::int64_t next = 0;    // the frame that is being made
    std::int64_t due_us = 0;  // when it is there
    bool has_ended = false;
  };
  void start_waiting();
  void make_frames(Making& making);

  std::shared_ptr<comm::sim::World> world_;
  std::unique_ptr<comm::Transport> transport_;
  std::unique_ptr<runtime::PushEngine> engine_;
  std::deque<HandoffPlan> waiting_;
  std::map<runtime::RequestId, Making> made_;  // until the frames are made and the end is told
  std::map<runtime::RequestId, Status> ended_;
};

struct ReceiveNodeOptions {
  std::size_t arena_bytes = 0;
  std::size_t slot_bytes_max = std::size_t{64} << 20;
  std::int64_t frame_us = 0;  // the sink takes this long for a frame, one after the other
};

class ReceiveNode final : public runtime::FrameSink {
 public:
  ReceiveNode(const std::shared_ptr<comm::sim::World>& world, comm::NodeId self,
              const ReceiveNodeOptions& options);

  void turn();
  comm::Transport& transport() { return *transport_; }
  const comm::Region& arena() const { return arena_; }
  runtime::ReceiveEngine& engine() { return *engine_; }

  Result<bool> open(runtime::RequestId request, const runtime::ReceiveTerms& terms) override;
  void take(const runtime::LandedFrame& frame) override;
  void complete(runtime::RequestId request,
                const std::vector<runtime::ManifestMessage>& manifests) override;
  void drop(runtime::RequestId request, const Error& error, bool tell) override;

  std::map<runtime::RequestId, std::size_t> completed;  // and how often
  std::map<runtime::RequestId, std::size_t> dropped;
  std::set<runtime::RequestId> opened;  // and neither completed nor dropped
  std::size_t again = 0;                // frames whose checksum was wrong
  std::size_t wrong_bytes = 0;          // frames with a right checksum and other bytes: never

 private:
  struct Held {
    runtime::LandedFrame frame;
    std::int64_t due_us = 0;
  };
  void check(const runtime::LandedFrame& frame);

  ReceiveNodeOptions options_;
  std::shared_ptr<comm::sim::World> world_;
  std::unique_ptr<comm::Transport> transport_;
  comm::Region arena_;
  std::unique_ptr<runtime::ReceiveEngine> engine_;
  std::deque<Held> held_;
  std::int64_t free_us_ = 0;
};

// Senders have the first node ids, receivers the next ones.
class EngineWorld {
 public:
  EngineWorld(const comm::sim::WorldOptions& options, comm::NodeId senders,
              std::size_t staging_bytes, comm::NodeId receivers,
              const ReceiveNodeOptions& receiver_options);

  // Turns all living nodes and lets time pass until `is_done`; false when nothing more happens.
  bool run(const std::function<bool()>& is_done);
  void kill(comm::NodeId node);
  bool is_alive(comm::NodeId node) const { return !dead_.contains(node); }
  void set_frozen(comm::NodeId node, bool is_frozen);
  ReceiveNode& receiver(comm::NodeId node) { return *receivers[node - senders.size()]; }

  std::shared_ptr<comm::sim::World> world;
  std::vector<std::unique_ptr<PushNode>> senders;
  std::vector<std::unique_ptr<ReceiveNode>> receivers;

 private:
  std::set<comm::NodeId> dead_;
  std::set<comm::NodeId> frozen_;
};

}  // namespace sluice::tests
