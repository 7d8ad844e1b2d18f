// SPDX-License-Identifier: Apache-2.0
// Writes that this process lands for its peers, where no transport does it without us (TCP).
// Private to the folder.
//
// Why not UCX's own emulated put: a receiver that cannot acknowledge a piece of it, since the
// sender died, aborts (ucp_request_send: "unexpected error"; UCX 1.13 to 1.22), and nothing can
// stop a put that is under way. Here a writer that was given up lands nothing more, whatever still
// arrives.
//
// A writer is an instance of a transport and one of its connections to us, by serial: a later
// connection of the same instance takes over from the earlier. Its writes are numbered from 1.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

namespace sluice::comm::ucx {

// What precedes the bytes of a write on the wire.
struct WriteHeader {
  std::uint64_t instance = 0;
  std::uint64_t serial = 0;
  std::uint64_t sequence = 0;
  std::uint64_t offset_bytes = 0;
  std::uint32_t region = 0;  // the owner's id of it
  std::uint32_t reserved = 0;
};

// Asks to be told when all writes up to `sequence` have landed; the sender's address follows.
struct FlushHeader {
  std::uint64_t instance = 0;
  std::uint64_t serial = 0;
  std::uint64_t sequence = 0;
  std::uint64_t flush = 0;   // comes back in the answer
  std::uint32_t sender = 0;  // node id
  std::uint32_t reserved = 0;
};

struct FlushAnswer {
  std::uint64_t instance = 0;  // of who asked
  std::uint64_t flush = 0;
  std::uint64_t is_refused = 0;  // the connection was given up: its writes do not land
};

class Landings {
 public:
  enum class Verdict : std::uint8_t { kLanded, kNotYet, kRefused };

  // Whether a write of this connection may land; ask for each, before it does.
  bool admits(std::uint64_t instance, std::uint64_t serial);
  void landed(std::uint64_t instance, std::uint64_t serial, std::uint64_t sequence);
  // Whether all writes up to `sequence` have.
  Verdict ask(std::uint64_t instance, std::uint64_t serial, std::uint64_t sequence);

  // The connections of an instance known so far land nothing any more; a later one may. If none is
  // known, the next one to be known is taken for one of before.
  void give_up(std::uint64_t instance);

 private:
  struct Writer {
    std::uint64_t serial = 0;              // of its newest connection
    std::uint64_t given_up = 0;            // its connections up to this one
    std::uint64_t landed = 0;              // all writes up to this one
    std::set<std::uint64_t> landed_ahead;  // and these
    bool is_next_given_up = false;
  };

  std::unordered_map<std::uint64_t, Writer> writers_;  // by instance
};

}  // namespace sluice::comm::ucx
