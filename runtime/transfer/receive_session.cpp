// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/receive_session.hpp"

#include <iterator>

#include "runtime/transfer/checksum.hpp"

namespace sluice::runtime {
namespace {

PlannedFrame place_of(const Piece& piece) {
  return {piece.range.layer_first, piece.range.layer_count,  piece.first_token,
          piece.last_token,  piece.offset_bytes, piece.bytes};
}

}  // namespace

ReceiveSession::ReceiveSession(const GrantMessage& grant, const HandoffTerms& terms,
                               const KvShape& shape, Bytes slot, std::vector<KvBlockId> blocks)
    : grant_(grant),
      terms_(terms),
      slot_(slot),
      blocks_(std::move(blocks)),
      kept_(shape.layers, shape.kv_heads, terms.prompt_tokens) {}

Status ReceiveSession::claim(const Piece& piece) {
  if (piece.bytes == 0 || piece.bytes > slot_.size() ||
      piece.offset_bytes > slot_.size() - piece.bytes) {
    return make_error(ErrorCode::kCorrupt, "a frame of KV lies outside its slot");
  }
  const std::uint64_t end = piece.offset_bytes + piece.bytes;
  const auto after = slot_taken_.lower_bound(piece.offset_bytes);
  if ((after != slot_taken_.end() && after->first < end) ||
      (after != slot_taken_.begin() && std::prev(after)->second > piece.offset_bytes)) {
    return make_error(ErrorCode::kCorrupt, "frames of KV overlap in their slot");
  }
  SLUICE_TRY(kept_.claim(place_of(piece)));
  slot_taken_.emplace(piece.offset_bytes, end);
  return {};
}

Result<std::vector<MadeFrame>> ReceiveSession::take(const PiecesMessage& message) {
  std::vector<MadeFrame> frames;
  for (const Piece& piece : message.pieces) {
    SLUICE_TRY(claim(piece));
    frames.push_back({place_of(piece), piece.bytes, piece.checksum});
  }
  return frames;
}

Status ReceiveSession::take(const MadeFrame& frame, const kernels::FrameInfo& info) {
  SLUICE_TRY(kept_.keep(info));
  decoded_.emplace(std::pair(frame.place.layer_first, frame.place.first_token), frame.checksum);
  return {};
}

Status ReceiveSession::take(const ManifestMessage& message) {
  // Its blocks were counted for this many tokens, and its first token becomes an index.
  if (message.prompt_tokens != terms_.prompt_tokens || message.tokens_max != terms_.tokens_max) {
    return make_error(ErrorCode::kCorrupt, "the manifest is of another shape than the grant");
  }
  if (message.first_token < 0 || message.first_token >= terms_.vocab) {
    return make_error(ErrorCode::kCorrupt, "the manifest's first token is not one of the model's");
  }
  manifest_ = message;
  return {};
}

Result<bool> ReceiveSession::is_complete() const {
  if (!manifest_ || frames_in_work != 0) return false;
  const bool is_whole = kept_.is_complete();
  if (!is_whole && decoded_.size() < manifest_->frames) return false;
  if (!is_whole) {
    return make_error(ErrorCode::kCorrupt, "the frames of the manifest are not the whole prompt");
  }
  std::uint64_t folded = 0;
  for (const auto& [place, checksum] : decoded_) folded = fold_checksum(folded, checksum);
  if (decoded_.size() != manifest_->frames || folded != manifest_->checksum) {
    return make_error(ErrorCode::kCorrupt, "the frames are not what the manifest says (checksum)");
  }
  return true;
}

}  // namespace sluice::runtime
