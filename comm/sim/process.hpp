// SPDX-License-Identifier: Apache-2.0
// What the simulated world knows of one transport: its process's memory, connections and queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "comm/transport.hpp"

namespace sluice::comm::sim {

// Of a transport in its world, never reused: an old address cannot reach a new process.
using Token = std::uint64_t;

struct Memory {
  std::unique_ptr<std::byte[]> data;
  std::size_t bytes = 0;
};

struct Connection {
  Token token = 0;  // the peer's
  std::uint64_t serial = 0;
  bool is_lost = false;
};

// A region of a peer, as one of its connections imported it.
struct Imported {
  NodeId peer = 0;
  std::uint64_t connection = 0;
  std::uint32_t id = 0;  // the owner's
  std::size_t bytes = 0;
};

// Posted and not completed.
struct Pending {
  CompletionKind kind = CompletionKind::kWriteDone;
  NodeId peer = 0;
  std::uint64_t connection = 0;
  OperationId operation = 0;
};

struct Process {
  Token token = 0;
  NodeId self = 0;
  bool is_dead = false;
  bool is_killed = false;  // not merely destroyed: what is on its way may be lost
  bool is_frozen = false;
  bool is_woken = false;
  bool is_busy = false;                       // its last poll() found something
  std::optional<std::int64_t> wait_until_ns;  // it said wait()
  std::deque<Completion> completions;
  // Messages of processes that have a node's name already, while we are connected to another one.
  std::map<Token, std::deque<Completion>> early;
  std::map<std::uint32_t, std::shared_ptr<Memory>> regions;
  std::map<NodeId, Connection> connections;
  std::map<std::uint32_t, Imported> imported;
  std::map<std::uint64_t, Pending> pending;  // in the order in which they were posted
  std::uint32_t next_region = 1;
};

// A write or a flush that waits for its turn on the link between two processes.
struct BulkItem {
  std::uint64_t serial = 0;  // its Pending; an item without one was given up
  bool is_flush = false;
  std::uint32_t region = 0;
  std::size_t offset_bytes = 0;
  Bytes source;
  std::size_t sent_bytes = 0;
  std::optional<std::size_t> flipped;  // the byte that will be wrong
};

// All bulk from one process to another, one after the other.
struct BulkLane {
  std::deque<BulkItem> items;
  bool is_running = false;        // a chunk of the first item is leaving
  std::int64_t last_land_ns = 0;  // when the last of what has left will have landed
};

}  // namespace sluice::comm::sim
