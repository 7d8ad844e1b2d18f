// SPDX-License-Identifier: Apache-2.0
// The decode worker's half of one handoff: which frames have landed, and when all of them are in
// the pages.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/frames/kept_rows.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

// What a handoff was granted for, and who may write to it.
struct HandoffTerms {
  comm::NodeId source = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t tokens_max = 0;
  std::int64_t vocab = 0;  // of the model
};

// Owned and called by the worker's communication thread; frames are decoded elsewhere and reported
// here. Nothing reads the pages before is_complete().
class ReceiveSession {
 public:
  // `slot`: the granted memory, borrowed. `blocks`: pages for the prompt and its answer; the
  // session only carries them.
  ReceiveSession(const GrantMessage& grant, const HandoffTerms& terms, const KvShape& shape,
                 Bytes slot, std::vector<KvBlockId> blocks);

  // Frames that the peer says are written and flushed, to be decoded now. kCorrupt: one lies
  // outside the slot or the request, or over another.
  Result<std::vector<MadeFrame>> take(const PiecesMessage& message);
  Bytes bytes_of(const MadeFrame& frame) const {
    return slot_.subspan(frame.place.offset, frame.bytes);
  }

  // A frame of take() is in the pages, `info` being what it said of itself.
  Status take(const MadeFrame& frame, const kernels::FrameInfo& info);

  // kCorrupt when its numbers are not those of this handoff.
  Status take(const ManifestMessage& message);

  // Manifest and every row of every layer are here, and the checksums agree; kCorrupt when they
  // do not, or when as many frames as the manifest has do not make up the prompt.
  Result<bool> is_complete() const;

  std::uint64_t epoch() const { return grant_.epoch; }
  RequestId request() const { return grant_.request; }
  comm::NodeId source() const { return terms_.source; }
  std::size_t slot_offset() const { return grant_.offset_bytes; }
  bool has_manifest() const { return manifest_.has_value(); }
  const ManifestMessage& manifest() const { return *manifest_; }
  std::vector<KvBlockId>& blocks() { return blocks_; }
  const std::vector<KvBlockId>& blocks() const { return blocks_; }
  const KeptRows& kept() const { return kept_; }

  // The router gave up; the slot stays until the writer has said its last word.
  bool is_cancelled = false;
  // Nobody needs it any more; slot and blocks stay until the last frame has been let go.
  bool is_closing = false;
  std::int64_t frames_in_work = 0;  // being decoded: slot and blocks are in use
  std::int64_t unpack_us = 0;       // spent on that so far
  std::int64_t manifest_us = 0;     // when the manifest came, on this host's clock

 private:
  Status claim(const Piece& piece);

  GrantMessage grant_;
  HandoffTerms terms_;
  Bytes slot_;
  std::vector<KvBlockId> blocks_;
  KeptRows kept_;
  std::map<std::uint64_t, std::uint64_t> slot_taken_;  // offset -> end
  // (layer_first, first_token) -> checksum of what is in the pages
  std::map<std::pair<std::int64_t, std::int64_t>, std::uint64_t> decoded_;
  std::optional<ManifestMessage> manifest_;
};

}  // namespace sluice::runtime
