// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_decode.hpp"

#include <string>
#include <vector>

#include "kernels/core/check.hpp"
#include "kernels/pipeline/frame_format.hpp"
#include "runtime/frames/kv_pages.hpp"

namespace sluice::runtime {
namespace {

bool is_what_was_said(const kernels::FrameInfo& info, const MadeFrame& made, const KvShape& shape) {
  const PlannedFrame& place = made.place;
  const bool are_all = place.head_count == 0;
  return info.head_first == (are_all ? shape.head_first : place.head_first) &&
         info.head_count == (are_all ? shape.kv_heads : place.head_count) &&
         info.layer_first == place.layer_first && info.layer_count == place.layer_count &&
         info.first_token == place.first_token && info.last_token == place.last_token &&
         info.frame_bytes == made.bytes && info.checksum == made.checksum;
}

Error of_layer(const MadeFrame& made, const Error& error) {
  return make_error(error.code, "the KV of layer " + std::to_string(made.place.layer_first) +
                                    " cannot be used: " + error.message);
}

Error not_announced(const MadeFrame& made) {
  return of_layer(made, make_error(ErrorCode::kCorrupt, "the frame is not the one announced"));
}

}  // namespace

Result<kernels::FrameInfo> decode_frame(const kernels::FrameDecoder& decoder, Bytes frame,
                                        const MadeFrame& made, KvPool& pool,
                                        std::span<const KvBlockId> blocks,
                                        kernels::Scratch& scratch) {
  const PlannedFrame& place = made.place;
  SLUICE_CHECK(place.last_token <= static_cast<std::int64_t>(blocks.size()) * kKvBlockTokens,
               "the blocks do not reach the frame's last token");
  const auto info = decoder.info(frame);
  if (!info) {
    // Damage can look like a frame of another model or of a newer version: only bytes that are
    // those announced say so in earnest.
    const bool is_whole = frame.size() == made.bytes && made.bytes > sizeof(made.checksum) &&
                          kernels::frame_checksum(frame) == made.checksum;
    return is_whole ? of_layer(made, info.error()) : not_announced(made);
  }
  if (!is_what_was_said(*info, made, pool.shape())) return not_announced(made);
  std::vector<PagesOfLayer> layers;
  std::vector<kernels::KvPages> pages;
  layers.reserve(static_cast<std::size_t>(place.layer_count));
  for (std::int64_t i = 0; i < place.layer_count; ++i) {
    layers.emplace_back(pool, blocks, place.layer_first + i);
    pages.push_back(layers.back().view());
  }
  auto decoded = decoder.decode(
      frame,
      {.pages = pages, .row_first = place.first_token, .pages_head_first = pool.shape().head_first},
      scratch, nullptr);
  if (!decoded) return of_layer(made, decoded.error());
  // Again: the writer of the bytes may have changed them since.
  if (!is_what_was_said(*decoded, made, pool.shape())) return not_announced(made);
  return decoded;
}

}  // namespace sluice::runtime
