// SPDX-License-Identifier: Apache-2.0
// The decode worker's half of one handoff: checks pieces as they land and moves them into pages.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/frame_layout.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// Owned and called by the worker's communication thread. Nothing reads the pages before
// is_complete().
class ReceiveSession {
 public:
  // `slot`: the granted memory, layout.bytes() long, borrowed. `blocks`: pages of `pool` for the
  // prompt and its answer; the session only carries them.
  ReceiveSession(const GrantMessage& grant, comm::NodeId source, const FrameLayout& layout,
                 Bytes slot, std::vector<KvBlockId> blocks);

  // Pieces that the peer says are written and flushed: bounds, checksum, then into the pages.
  // kCorrupt names the layer.
  Status take(const PiecesMessage& message, KvPool& pool);

  // kCorrupt when its numbers are not those of this handoff.
  Status take(const ManifestMessage& message);

  // Manifest and every row of every layer are here, and the checksums agree; kCorrupt when they
  // do not.
  Result<bool> is_complete() const;

  std::uint64_t epoch() const { return grant_.epoch; }
  RequestId request() const { return grant_.request; }
  comm::NodeId source() const { return source_; }
  std::size_t slot_offset() const { return grant_.offset_bytes; }
  bool has_manifest() const { return manifest_.has_value(); }
  const ManifestMessage& manifest() const { return *manifest_; }
  std::vector<KvBlockId>& blocks() { return blocks_; }

  // The router gave up; the slot stays until the writer has said its last word.
  bool is_cancelled = false;

 private:
  GrantMessage grant_;
  comm::NodeId source_;
  FrameLayout layout_;
  Bytes slot_;
  std::vector<KvBlockId> blocks_;
  struct Arrived {
    std::int64_t last_token;
    std::uint64_t checksum;
  };
  std::vector<std::map<std::int64_t, Arrived>> layers_;  // by first token
  std::optional<ManifestMessage> manifest_;
};

}  // namespace sluice::runtime
