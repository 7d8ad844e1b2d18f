// SPDX-License-Identifier: Apache-2.0
#include "runtime/decode/frame_unpacker.hpp"

#include <utility>

#include "kernels/core/device_queue.hpp"
#include "runtime/frames/frame_decode.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// So much K and V is taken apart at once in a turn: handing it to another thread would take longer.
constexpr std::size_t kAtOnceBytes = std::size_t{1} << 20;

MadeFrame as_announced(const Piece& piece) {
  MadeFrame made;
  made.place.layer_first = piece.range.layer_first;
  made.place.layer_count = piece.range.layer_count;
  made.place.head_first = piece.range.head_first;
  made.place.head_count = piece.range.head_count;
  made.place.first_token = piece.first_token;
  made.place.last_token = piece.last_token;
  made.bytes = piece.bytes;
  made.checksum = piece.checksum;
  return made;
}

// Frames are taken apart by the CPU.
Result<std::vector<std::byte>> copy_to_host(Bytes bytes) {
  const auto queue = SLUICE_TRY(make_cuda_queue(nullptr));
  std::vector<std::byte> copy(bytes.size());
  SLUICE_TRY(queue->copy_to_host(bytes.data(), bytes.size(), copy.data()));
  SLUICE_TRY(queue->wait());
  return copy;
}

}  // namespace

FrameUnpacker::FrameUnpacker(const kernels::FrameDecoder& decoder, KvPool& pool, int threads,
                             std::function<void()> wake)
    : decoder_(decoder),
      pool_(pool),
      has_threads_(threads > 0),
      wake_(std::move(wake)),
      threads_(threads) {}

std::size_t FrameUnpacker::kv_bytes(const Piece& piece) const {
  const KvShape& shape = pool_.shape();
  const auto rows = static_cast<std::size_t>(shape.layers * shape.kv_heads);
  return shape.bytes_per_token() / rows * static_cast<std::size_t>(piece.range.layer_count) *
         static_cast<std::size_t>(piece.range.head_count) *
         static_cast<std::size_t>(piece.last_token - piece.first_token);
}

std::optional<FrameUnpacker::Done> FrameUnpacker::unpack(const LandedFrame& frame,
                                                         const UnpackTarget& target) {
  at_once_bytes_ += kv_bytes(frame.piece);
  if (!has_threads_ || at_once_bytes_ <= kAtOnceBytes) return decode(frame, target, scratch_);
  threads_.submit([this, frame, &target](kernels::Scratch& scratch) {
    done_.push(decode(frame, target, scratch));
    wake_();
  });
  return std::nullopt;
}

FrameUnpacker::Done FrameUnpacker::decode(const LandedFrame& frame, const UnpackTarget& target,
                                          kernels::Scratch& scratch) const {
  const std::int64_t started_us = monotonic_us();
  const auto decoded = [&]() -> Result<kernels::FrameInfo> {
    if (target.is_unwanted) return make_error(ErrorCode::kCancelled, "the request has ended");
    const MadeFrame made = as_announced(frame.piece);
    if (frame.memory == comm::MemoryKind::kHost) {
      return decode_frame(decoder_, frame.bytes, made, pool_, target.blocks, scratch);
    }
    const auto copy = SLUICE_TRY(copy_to_host(frame.bytes));
    return decode_frame(decoder_, copy, made, pool_, target.blocks, scratch);
  };
  Done done{frame, decoded(), 0};
  done.took_us = monotonic_us() - started_us;
  return done;
}

std::deque<FrameUnpacker::Done> FrameUnpacker::drain() {
  at_once_bytes_ = 0;
  return done_.drain();
}

}  // namespace sluice::runtime
