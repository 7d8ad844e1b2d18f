// SPDX-License-Identifier: Apache-2.0
// A frame from memory into a request's pages.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/pipeline/frame.hpp"
#include "runtime/frames/frame_encoder.hpp"
#include "runtime/kv/kv_pool.hpp"

namespace sluice::runtime {

// `frame`: the bytes that are said to be `made`; its place was checked against the request, and
// `blocks` reach its last token. The pool may hold a part of the model's heads, from its shape's
// head_first on. Any thread: rows of other frames are not touched. kCorrupt, in a
// sentence that names the layer, when they are not what was said or are damaged.
Result<kernels::FrameInfo> decode_frame(const kernels::FrameDecoder& decoder, Bytes frame,
                                        const MadeFrame& made, KvPool& pool,
                                        std::span<const KvBlockId> blocks,
                                        kernels::Scratch& scratch);

}  // namespace sluice::runtime
