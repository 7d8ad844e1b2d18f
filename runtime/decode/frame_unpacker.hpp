// SPDX-License-Identifier: Apache-2.0
// Takes landed frames apart, into the pages of their requests: on threads beside the communication
// thread, or on it where that is quicker.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "kernels/pipeline/frame.hpp"
#include "runtime/frames/codec_pool.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/transfer/mailbox.hpp"
#include "runtime/transfer/receive_engine.hpp"

namespace sluice::runtime {

// Where a request's frames go. Stays, and keeps its blocks, until all frames given for it came
// back.
struct UnpackTarget {
  std::vector<KvBlockId> blocks;
  std::atomic<bool> is_unwanted = false;  // frames that have not begun are left alone
};

class FrameUnpacker {
 public:
  struct Done {
    LandedFrame frame;
    Result<kernels::FrameInfo> info;
    std::int64_t took_us = 0;
  };

  // `decoder` and `pool` are borrowed. `wake` is called by the threads when a frame is done.
  FrameUnpacker(const kernels::FrameDecoder& decoder, KvPool& pool, int threads,
                std::function<void()> wake);

  // True: it is done, and `done` says how. False: it comes with drain().
  std::optional<Done> unpack(const LandedFrame& frame, const UnpackTarget& target);

  // Frames that the threads have done. Once a turn: it also says that a new turn has begun.
  std::deque<Done> drain();

 private:
  Done decode(const LandedFrame& frame, const UnpackTarget& target,
              kernels::Scratch& scratch) const;
  std::size_t kv_bytes(const Piece& piece) const;

  const kernels::FrameDecoder& decoder_;
  KvPool& pool_;
  const bool has_threads_;
  const std::function<void()> wake_;
  std::size_t at_once_bytes_ = 0;  // of K and V taken apart here since the turn began
  kernels::Scratch scratch_;       // of the communication thread
  Mailbox<Done> done_;
  CodecPool threads_;  // last: its tasks use what is above
};

}  // namespace sluice::runtime
