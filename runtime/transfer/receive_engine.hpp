// SPDX-License-Identifier: Apache-2.0
// The receiving half of all handoffs of one process: owns the arena that writers write into, grants
// slots of it, and says when all of a request has come.
//
// Three facts are kept apart. A request can have failed while a write of it may still land: its
// slot is then in quarantine, and is used again only when its writer has said its last word for
// that epoch (Manifest, Failed), or is proven gone. Whether the writer's process is healthy is a
// third matter, and no one's here.
//
// Owned and called by the communication thread. Nothing here knows what a frame holds; that is the
// FrameSink's.
//
// Writers take turns for memory (GrantQueue). A slot is a ring for its writer: one that gets less
// than all its frames need waits for Taken, which is what stops it when this side is slow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// A frame whose bytes have landed. Its memory stays until ReceiveEngine::frame_done() of it.
struct LandedFrame {
  RequestId request = 0;
  comm::NodeId source = 0;
  std::uint64_t epoch = 0;
  Piece piece;
  Bytes bytes;
  comm::MemoryKind memory = comm::MemoryKind::kHost;
};

// What a request was granted for, by all its writers alike.
struct ReceiveTerms {
  std::int64_t prompt_tokens = 0;
  std::int64_t tokens_max = 0;
  // Of the prompt: what does not come, for it is said to be here, and the hashes of its blocks.
  std::int64_t cached_tokens = 0;
  std::vector<std::uint64_t> blocks = {};
};

// What becomes of frames and requests. Called on the engine's thread, from within its calls.
class FrameSink {
 public:
  virtual ~FrameSink() = default;

  // Takes what a request needs of this process (pages for prompt and answer; what it has of the
  // prompt already, as the terms say). False: not now, it is
  // asked again. An Error: never; the writer is told.
  virtual Result<bool> open(RequestId request, const ReceiveTerms& terms) = 0;

  // Checks and decodes a frame, here or elsewhere, then calls frame_done() on the engine's thread.
  virtual void take(const LandedFrame& frame) = 0;

  // All frames of all writers are done, and are those of the manifests. The request is the sink's
  // from now. `manifests`: one of each writer; whether they tell the same of the answer is for the
  // sink to see.
  virtual void complete(RequestId request, const std::vector<ManifestMessage>& manifests) = 0;

  // The request has ended here instead, and no frame of it is with the sink: gives back what open()
  // took, if it was opened. `tell`: others do not know yet (the router shall hear why).
  virtual void drop(RequestId request, const Error& error, bool tell) = 0;
};

struct ReceiveOptions {
  CacheRange range;  // what this rank holds of the model's cache: all of it must come
  // A slot is no larger, unless one frame is; more writers get one at once.
  std::size_t slot_bytes_max = std::size_t{64} << 20;
  // Of every grant; the caller makes it higher than any of a process that had this rank before.
  std::uint64_t first_epoch = 1;
};

class ReceiveEngine {
 public:
  // All are borrowed.
  ReceiveEngine(comm::Transport& transport, const comm::Region& arena, FrameSink& sink,
                ReceiveOptions options);
  ~ReceiveEngine();

  // The messages of the process, as they come. False: not for this engine.
  bool take(comm::NodeId peer, MessageType type, Bytes payload);

  // A landed frame is in the pages, or is not (kCorrupt: its bytes are not those of the frame that
  // was announced; it is asked for again once). Any order; from the sink's take() too.
  void frame_done(const LandedFrame& frame, const Status& status);

  // The router gave up a request: it is dropped, its slots stay until their writers' last words.
  void cancel(RequestId request);

  // Requests of this writer end. kGone: its slots are free; else they are in quarantine until it
  // says its last word, or a later call says kGone.
  void peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate);
  // A silent writer is heard again: it is told once more which of its requests have ended, so that
  // it says its last words.
  void peer_back(comm::NodeId peer);

  // Tells writers what was taken, and grants what can be granted. After each batch of completions,
  // and from time to time: who waits only for memory in quarantine fails after some seconds
  // (kTimeout), for it may never come back.
  void turn();

  // It waits, or is being received; nothing that has ended.
  bool knows(RequestId request) const;
  // Its last word is waited for, or its slot in quarantine.
  bool has_handoffs_from(comm::NodeId peer) const;
  struct Memory {
    std::size_t arena_bytes = 0;
    std::size_t taken_bytes = 0;        // all slots
    std::size_t quarantined_bytes = 0;  // of them: of requests that have ended
    std::size_t waiting = 0;            // handoffs that wait for a slot
  };
  Memory memory() const;
  // Of KV memory: what the requests that wait and are not the sink's yet will take of it.
  std::int64_t waiting_tokens() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::runtime
