// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/incoming_handoff.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kernels/core/check.hpp"
#include "runtime/transfer/checksum.hpp"

namespace sluice::runtime {
namespace {

bool is_same(const Piece& a, const Piece& b) {
  return a.range == b.range && a.first_token == b.first_token && a.last_token == b.last_token &&
         a.offset_bytes == b.offset_bytes && a.bytes == b.bytes && a.checksum == b.checksum;
}

Error corrupt(const char* what) { return make_error(ErrorCode::kCorrupt, what); }

}  // namespace

IncomingHandoff::IncomingHandoff(comm::NodeId source, const WantMessage& want)
    : source_(source), want_(want), cover_(want.range, want.prompt_tokens) {
  if (want.cached_tokens == 0) return;
  const Status claimed = cover_.claim(want.range, 0, want.cached_tokens);
  SLUICE_CHECK(claimed.has_value(), "a Want that was not checked");
}

Result<bool> IncomingHandoff::place(const Piece& piece) {
  const auto at = places_.find(piece.offset_bytes);
  if (at != places_.end() && at->second.is_awaited) {
    if (!is_same(at->second.piece, piece)) return corrupt("another frame came than was asked for");
    at->second.is_awaited = false;
    --again_open_;
    return true;
  }
  if (piece.bytes == 0 || piece.bytes > slot_->bytes ||
      piece.offset_bytes > slot_->bytes - piece.bytes) {
    return corrupt("a frame of KV lies outside its slot");
  }
  const std::uint64_t end = piece.offset_bytes + piece.bytes;
  const auto after = places_.lower_bound(piece.offset_bytes);
  const bool is_over_next = after != places_.end() && after->first < end;
  const bool is_over_last =
      after != places_.begin() &&
      std::prev(after)->first + std::prev(after)->second.piece.bytes > piece.offset_bytes;
  if (is_over_next || is_over_last) return corrupt("frames of KV overlap in their slot");
  SLUICE_TRY(cover_.claim(piece.range, piece.first_token, piece.last_token));
  places_.emplace(piece.offset_bytes, Place{piece});
  return false;
}

Result<std::vector<Piece>> IncomingHandoff::take(const PiecesMessage& message) {
  for (const Piece& piece : message.pieces) SLUICE_TRY(place(piece));
  return message.pieces;
}

void IncomingHandoff::take_last(const PiecesMessage& message) {
  for (const Piece& piece : message.pieces) {
    const auto at = places_.find(piece.offset_bytes);
    if (at == places_.end() || !at->second.is_awaited) continue;
    at->second.is_awaited = false;
    --again_open_;
  }
}

Status IncomingHandoff::take(const ManifestMessage& message) {
  if (manifest_) return corrupt("a second manifest came");
  manifest_ = message;
  if (message.prompt_tokens != want_.prompt_tokens || message.tokens_max != want_.tokens_max ||
      message.range != want_.range) {
    return corrupt("the manifest is of another shape than the grant");
  }
  return {};
}

void IncomingHandoff::taken(std::uint64_t offset_bytes) {
  const Piece& piece = places_.at(offset_bytes).piece;
  frames_.push_back(
      {{piece.range.layer_first, piece.range.head_first, piece.first_token}, piece.checksum});
  taken_.push_back(offset_bytes);
}

bool IncomingHandoff::ask_again(std::uint64_t offset_bytes) {
  Place& place = places_.at(offset_bytes);
  if (place.was_asked_again) return false;
  place.was_asked_again = true;
  place.is_awaited = true;
  ++again_open_;
  return true;
}

void IncomingHandoff::forget(std::uint64_t offset_bytes) { places_.erase(offset_bytes); }

std::vector<std::uint64_t> IncomingHandoff::take_taken() {
  for (const std::uint64_t offset : taken_) places_.erase(offset);
  return std::exchange(taken_, {});
}

Result<bool> IncomingHandoff::is_complete() const {
  if (!manifest_ || in_work != 0 || again_open_ != 0) return false;
  const bool is_whole = cover_.is_complete();
  if (!is_whole && frames_.size() < manifest_->frames) return false;
  if (!is_whole) return corrupt("the frames of the manifest are not the whole prompt");
  auto frames = frames_;
  std::sort(frames.begin(), frames.end());
  std::uint64_t folded = 0;
  for (const auto& [place, checksum] : frames) folded = fold_checksum(folded, checksum);
  if (frames.size() != manifest_->frames || folded != manifest_->checksum) {
    return corrupt("the frames are not what the manifest says (checksum)");
  }
  return true;
}

}  // namespace sluice::runtime
