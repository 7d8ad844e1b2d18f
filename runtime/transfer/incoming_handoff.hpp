// SPDX-License-Identifier: Apache-2.0
// One writer's part of a request: what of it was announced, where it lies in the slot, and whether
// the writer can still write there. Knows no transport; ReceiveEngine acts on what this says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "comm/transport.hpp"
#include "runtime/transfer/cell_cover.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

class IncomingHandoff {
 public:
  // `want` was checked: its numbers are possible, its range is sound. What it says is cached does
  // not come.
  IncomingHandoff(comm::NodeId source, const WantMessage& want);

  comm::NodeId source() const { return source_; }
  const WantMessage& want() const { return want_; }

  void grant(const GrantMessage& slot) { slot_ = slot; }
  bool has_slot() const { return slot_.has_value(); }
  const GrantMessage& slot() const { return *slot_; }
  void give_slot_back() { slot_.reset(); }

  // Pieces that have landed, each to be taken apart and then reported by taken() or ask_again().
  // kCorrupt: one lies outside the slot or the handoff, or over another that is still in use.
  Result<std::vector<Piece>> take(const PiecesMessage& message);

  // The same of a handoff that has failed: only ends what was asked for again.
  void take_last(const PiecesMessage& message);

  // kCorrupt: it is not this handoff's.
  Status take(const ManifestMessage& message);

  // The piece at this place is where it belongs. The place is free once take_taken() gave it.
  void taken(std::uint64_t offset_bytes);
  // Its bytes are not those of its frame. False: it had been asked for again already.
  bool ask_again(std::uint64_t offset_bytes);
  // The handoff has failed, and the piece is needed no more.
  void forget(std::uint64_t offset_bytes);

  // Places that have become free since the last call.
  std::vector<std::uint64_t> take_taken();
  bool has_taken() const { return !taken_.empty(); }

  // The manifest and all that it speaks of are here. kCorrupt: they disagree, or no further piece
  // can come and they are not the whole.
  Result<bool> is_complete() const;
  const ManifestMessage& manifest() const { return *manifest_; }

  // Nothing of the writer can land in the slot any more.
  bool has_last_word() const { return is_closed_ || (manifest_ && again_open_ == 0); }
  // The writer said Failed, or is proven gone.
  void close() { is_closed_ = true; }
  bool is_closed() const { return is_closed_; }

  bool is_done = false;      // complete; the slot was given back
  bool is_open = true;       // it waits, or has a slot: the engine's count for has_handoffs_from()
  std::int64_t in_work = 0;  // frames with the sink: they lie in the slot

 private:
  struct Place {
    Piece piece;
    bool was_asked_again = false;
    bool is_awaited = false;  // asked for again, not yet announced
  };

  // Whether it is one that was asked for again; else a new one, then at its place.
  Result<bool> place(const Piece& piece);

  comm::NodeId source_;
  WantMessage want_;
  std::optional<GrantMessage> slot_;
  CellCover cover_;
  std::map<std::uint64_t, Place> places_;  // by offset in the slot; they do not overlap
  std::vector<std::uint64_t> taken_;
  // (layer_first, head_first, first_token) and checksum of every frame that was taken
  std::vector<std::pair<std::tuple<std::int32_t, std::int32_t, std::int64_t>, std::uint64_t>>
      frames_;
  std::optional<ManifestMessage> manifest_;
  std::int64_t again_open_ = 0;
  bool is_closed_ = false;
};

}  // namespace sluice::runtime
