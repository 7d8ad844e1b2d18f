// SPDX-License-Identifier: Apache-2.0
// The two sides of handoffs without a model, each a process: a sender with a PushEngine, a receiver
// with a ReceiveEngine. What a frame holds follows from its handoff's number, so that every byte
// can be checked wherever it lands.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bench/comm/timed_transport.hpp"
#include "comm/registry.hpp"
#include "runtime/transfer/push_engine.hpp"
#include "runtime/transfer/receive_engine.hpp"

namespace sluice::bench {

inline constexpr comm::NodeId kReceiver = 0;                        // senders are 1 and up
inline constexpr std::int32_t kLayers = 30;                         // a frame each, at most
inline constexpr std::size_t kMemoryBytes = std::size_t{64} << 20;  // for sending, of each

[[noreturn]] void fail(const std::string& message);
template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(result).value();
}
inline void need(Status status) {
  if (!status) fail(status.error().message);
}

// Zeroed, and shared with the processes that this one forks; for good.
void* share_bytes(std::size_t bytes);
template <class T>
T* share_memory(std::size_t count) {
  T* const first = static_cast<T*>(share_bytes(count * sizeof(T)));
  for (std::size_t i = 0; i < count; ++i) new (first + i) T;
  return first;
}

// The frames of a handoff: `frame_bytes` each, or of sizes that follow from its number.
struct Load {
  std::int32_t frames = kLayers;
  std::size_t frame_bytes = 0;  // 0: any size up to 48 KiB, and any number of frames

  std::int32_t frames_of(runtime::RequestId request) const;
  std::size_t bytes_of(runtime::RequestId request, std::int32_t frame) const;
};
void write_content(runtime::RequestId request, std::int32_t frame, MutableBytes bytes);
bool is_content(runtime::RequestId request, std::int32_t frame, Bytes bytes);

// Moments of one handoff, in microseconds of the host's monotonic clock. Both sides write theirs.
struct Moments {
  std::int64_t opened = 0;     // sender: asked for a slot
  std::int64_t granted = 0;    // sender: heard the grant
  std::int64_t posted = 0;     // sender: the turn after that was over
  std::int64_t written = 0;    // sender: the last write was done
  std::int64_t flushed = 0;    // sender: the last flush was done
  std::int64_t announced = 0;  // receiver: heard of the last pieces
  std::int64_t closed = 0;     // receiver: heard the manifest
  std::int64_t usable = 0;     // receiver: all layers are there
  std::int64_t ended = 0;      // sender: heard that all is taken
  double writing_us = 0;       // sender: within calls of write()
};

// Of all receivers there were, in memory that their processes share with who started them.
struct Checked {
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<std::uint64_t> wrong_frames = 0;
};

struct SideOptions {
  std::string transport = "ucx";
  comm::NodeId self = kReceiver;
  std::uint64_t incarnation = 1;
  Load load;
  std::size_t arena_bytes = kMemoryBytes;
  Checked* checked = nullptr;  // every byte is, twice; null: nothing is
  Moments* moments = nullptr;  // by handoff; null: nobody asks
};

// What both sides share: a transport, its loop, and who is lost.
class Side {
 public:
  explicit Side(const SideOptions& options);
  virtual ~Side() = default;
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  TimedTransport& transport() { return *transport_; }
  // A process is behind that node, for the first time or after another one.
  virtual void meet(comm::NodeId peer, Bytes address, Bytes arena_key);
  // Polls once and acts on it. False: nothing came.
  bool turn();
  // Peers that were lost and of which nothing is held any more, since the last call.
  std::vector<comm::NodeId> take_reclaimed();

 protected:
  virtual void on_message(comm::NodeId peer, runtime::MessageType type, Bytes payload) = 0;
  virtual void on_operation(const comm::Completion& completion) = 0;
  virtual void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) = 0;
  virtual void on_turn() = 0;
  virtual bool holds_of(comm::NodeId peer) const = 0;

  Moments* moments_of(runtime::RequestId request) const {
    return options_.moments == nullptr ? nullptr : options_.moments + request;
  }
  std::int64_t now_us() const { return transport_->now_us(); }

  const SideOptions options_;

 private:
  std::unique_ptr<TimedTransport> transport_;
  std::array<comm::Completion, 64> completions_;
  std::set<comm::NodeId> lost_;
};

class SenderSide final : public Side {
 public:
  explicit SenderSide(const SideOptions& options);

  void meet(comm::NodeId peer, Bytes address, Bytes arena_key) override;
  // False: there is no memory for it now. Frames are there at once, or come with the turns.
  bool open(runtime::RequestId request, bool at_once);
  using Ended = runtime::PushEngine::Ended;
  std::vector<Ended> take_ended();
  std::size_t memory_taken() const { return engine_.staging_bytes_taken(); }

  // The yardstick: `bytes` by plain writes of a MiB, and a flush. Microseconds until it is back.
  std::int64_t plain_write_us(std::size_t bytes);

 private:
  struct Making {
    MutableBytes memory;
    std::int32_t next = 0;
    std::size_t offset = 0;
  };
  void on_message(comm::NodeId peer, runtime::MessageType type, Bytes payload) override;
  void on_operation(const comm::Completion& completion) override;
  void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) override;
  void on_turn() override;
  bool holds_of(comm::NodeId peer) const override;
  bool make_frame(runtime::RequestId request, Making& making);

  comm::Region staging_;
  runtime::PushEngine engine_;
  comm::RemoteRegion arena_;
  std::map<runtime::RequestId, Making> making_;
  std::vector<Ended> ended_;
  runtime::RequestId current_ = 0;  // for moments: one at a time
  bool is_posted_ = true;           // of the current one
  std::size_t plain_open_ = 0;      // of the yardstick
};

class ReceiverSide final : public Side, private runtime::FrameSink {
 public:
  explicit ReceiverSide(const SideOptions& options);

  std::vector<std::byte> arena_key() { return need(transport().export_region(arena_)); }
  struct News {
    runtime::RequestId request = 0;
    bool is_complete = false;
  };
  std::vector<News> take_news() { return std::exchange(news_, {}); }
  runtime::ReceiveEngine::Memory memory() const { return engine_.memory(); }
  std::size_t open_requests() const { return open_.size(); }

 private:
  void on_message(comm::NodeId peer, runtime::MessageType type, Bytes payload) override;
  void on_operation(const comm::Completion&) override {}
  void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) override;
  void on_turn() override;
  bool holds_of(comm::NodeId peer) const override { return engine_.has_handoffs_from(peer); }
  Status check(const runtime::LandedFrame& frame);

  Result<bool> open(runtime::RequestId request, const runtime::ReceiveTerms& terms) override;
  void take(const runtime::LandedFrame& frame) override;
  void complete(runtime::RequestId request,
                const std::vector<runtime::ManifestMessage>& manifests) override;
  void drop(runtime::RequestId request, const Error& error, bool tell) override;

  comm::Region arena_;
  runtime::ReceiveEngine engine_;
  std::vector<runtime::LandedFrame> landed_;  // to be checked in the next turn
  std::set<runtime::RequestId> open_;
  std::vector<News> news_;
};

}  // namespace sluice::bench
