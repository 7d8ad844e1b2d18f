// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/receive_session.hpp"

#include "kernels/elementwise/kv_rows.hpp"
#include "runtime/transfer/checksum.hpp"
#include "runtime/frames/kv_pages.hpp"

namespace sluice::runtime {

ReceiveSession::ReceiveSession(const GrantMessage& grant, comm::NodeId source,
                               const FrameLayout& layout, Bytes slot, std::vector<KvBlockId> blocks)
    : grant_(grant),
      source_(source),
      layout_(layout),
      slot_(slot),
      blocks_(std::move(blocks)),
      layers_(static_cast<std::size_t>(layout.layers)) {
  SLUICE_CHECK(slot.size() >= layout.bytes(), "the slot is smaller than the frame");
}

Status ReceiveSession::take(const PiecesMessage& message, KvPool& pool) {
  for (const Piece& piece : message.pieces) {
    if (piece.layer < 0 || piece.layer >= layout_.layers || piece.first_token < 0 ||
        piece.first_token >= piece.last_token || piece.last_token > layout_.tokens) {
      return make_error(ErrorCode::kCorrupt, "a KV piece lies outside its request");
    }
    const Bytes rows = slot_.subspan(
        layout_.offset_bytes(piece.layer, piece.first_token),
        static_cast<std::size_t>(piece.last_token - piece.first_token) * layout_.row_bytes);
    if (checksum(rows) != piece.checksum) {
      return make_error(ErrorCode::kCorrupt, "the KV of layer " + std::to_string(piece.layer) +
                                                 " arrived damaged (checksum)");
    }
    const PagesOfLayer pages(pool, blocks_, piece.layer);
    kernels::unpack_kv_rows(pages.view(), piece.first_token, piece.last_token, rows.data());
    layers_[static_cast<std::size_t>(piece.layer)][piece.first_token] = {piece.last_token,
                                                                         piece.checksum};
  }
  return {};
}

Status ReceiveSession::take(const ManifestMessage& message) {
  if (message.prompt_tokens != layout_.tokens ||
      message.layer_checksums.size() != static_cast<std::size_t>(layout_.layers)) {
    return make_error(ErrorCode::kCorrupt, "the manifest is of another shape than the grant");
  }
  manifest_ = message;
  return {};
}

Result<bool> ReceiveSession::is_complete() const {
  if (!manifest_) return false;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    std::int64_t reached = 0;
    std::uint64_t folded = 0;
    for (const auto& [first, arrived] : layers_[layer]) {
      if (first > reached) return false;  // a piece before it is still on its way
      if (first < reached) return make_error(ErrorCode::kCorrupt, "KV pieces overlap");
      reached = arrived.last_token;
      folded = fold_checksum(folded, arrived.checksum);
    }
    if (reached != layout_.tokens) return false;
    if (folded != manifest_->layer_checksums[layer]) {
      return make_error(ErrorCode::kCorrupt, "layer " + std::to_string(layer) +
                                                 " is not what the manifest says (checksum)");
    }
  }
  return true;
}

}  // namespace sluice::runtime
