// SPDX-License-Identifier: Apache-2.0
// The contract of every transport: one-sided writes into memory that a peer granted, and messages.
//
// Pull, not push: no callbacks; the owner's loop calls poll() and gets completions. All calls but
// wake() are made by one thread, the owner. Order between messages, or between a write and a
// message, is not promised: a protocol that needs it posts a flush and waits for its completion.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/device.hpp"
#include "kernels/core/result.hpp"

namespace sluice::comm {

// A process of the cluster, named by whoever starts it (the MPI rank).
using NodeId = std::uint32_t;

// Chosen by the caller, given back in the completion; 0 means "tell me nothing on success".
using OperationId = std::uint64_t;

using sluice::MemoryKind;

// Memory the transport allocated and registered; it lives until release() or the transport's end.
struct Region {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  std::uint32_t id = 0;  // within this transport
  MemoryKind kind = MemoryKind::kHost;
};

// A peer's region, after import_region(): where writes go.
struct RemoteRegion {
  NodeId peer = 0;
  std::uint32_t id = 0;  // within this transport
  std::size_t bytes = 0;
};

enum class CompletionKind : std::uint8_t {
  kWriteDone,  // the source may be reused; says nothing about the peer's view
  kFlushDone,  // every write posted to that peer before the flush is visible there
  kSendDone,   // the message's bytes may be reused (send() copies, so seldom needed)
  kMessage,    // a message arrived: `peer`, `type`, `payload`
  // The peer's endpoint failed; its pending operations complete with errors. Where that said
  // kUnknown and the peer is proven gone later, a second one says kGone. connect() starts anew.
  kPeerLost,
};

// What is proven about a lost peer's writes: a process that only fell silent may go on writing.
enum class PeerFate : std::uint8_t {
  kUnknown,  // it cannot be reached; what it had posted, or still posts, may land
  kGone,     // its process has ended or its connections are reset: nothing of it can land any more
};

struct Completion {
  CompletionKind kind = CompletionKind::kMessage;
  NodeId peer = 0;
  OperationId operation = 0;
  std::uint16_t type = 0;              // kMessage: as given to send()
  std::vector<std::byte> payload;      // kMessage
  Status status;                       // of the operation
  PeerFate fate = PeerFate::kUnknown;  // kPeerLost
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual NodeId self() const = 0;

  // Microseconds on this transport's clock: the host's monotonic one, or a simulated world's. All
  // that waits, times or expires beside a transport goes by it.
  virtual std::int64_t now_us() const;

  // What a peer needs for connect(); opaque, stable for this transport's life.
  virtual std::vector<std::byte> address() const = 0;

  // Makes `peer` reachable. Lazy: no traffic before the first operation. kInvalidArgument for an
  // address this transport cannot read. Connecting again replaces a failed endpoint, and so does
  // another address: what the process of the old one still sends is then dropped, and what the
  // process of the new one has sent already is heard now.
  virtual Status connect(NodeId peer, Bytes address) = 0;

  // Zero-filled registered memory of at least `bytes`. kResourceExhausted when there is none,
  // kUnsupported for a kind this transport or build does not have.
  virtual Result<Region> allocate(std::size_t bytes, MemoryKind kind) = 0;
  virtual void release(const Region& region) = 0;

  // The packed key by which a peer may write to `region`; opaque.
  virtual Result<std::vector<std::byte>> export_region(const Region& region) = 0;
  virtual Result<RemoteRegion> import_region(NodeId peer, Bytes key) = 0;
  virtual void forget_region(const RemoteRegion& region) = 0;

  // Writes `source` (inside a local region for zero copy; must stay valid until kWriteDone) to
  // `target` at `offset_bytes`. kInvalidArgument when it would leave the region.
  virtual Status write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
                       OperationId operation) = 0;

  // kFlushDone when all writes posted to `peer` so far are visible there.
  virtual Status flush(NodeId peer, OperationId operation) = 0;

  // Copies `payload` and sends it. Whole or not at all; any size, small ones are fast. Messages
  // have a lane of their own: they do not queue behind writes.
  virtual Status send(NodeId peer, std::uint16_t type, Bytes payload,
                      OperationId operation = 0) = 0;

  // Progresses, then moves up to `completions.size()` completions out; returns how many.
  virtual std::size_t poll(std::span<Completion> completions) = 0;

  // Sleeps until poll() may have something, wake() is called, or `timeout` passed.
  virtual void wait(std::chrono::milliseconds timeout) = 0;

  // Ends a wait() early. The one call that any thread may make.
  virtual void wake() = 0;

  // Ends the connection; operations still pending complete with kCancelled. The peer notices by
  // itself; a new connection that is made before it has may be cut with the old one (kPeerLost).
  virtual void close(NodeId peer) = 0;

  // What carries writes to `peer`, each once, as TRANSPORT/DEVICE ("posix/memory", "tcp/eth0");
  // what carries messages as long as nothing is written; empty before the first operation.
  virtual std::vector<std::string> lanes(NodeId peer) const = 0;
  // The same for people: "posix/memory, tcp/eth0", or "not connected".
  std::string describe(NodeId peer) const;
};

}  // namespace sluice::comm
