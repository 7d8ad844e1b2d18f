// SPDX-License-Identifier: Apache-2.0
// What a process that wants to be a rank of a running cluster says to the router, and is told, over
// a TCP connection of its own: each a frame of a magic number, a length and fields (little-endian).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "runtime/transfer/cluster.hpp"

namespace sluice::runtime {

inline constexpr std::size_t kJoinHeaderBytes = 8;
// Of what follows a header: the hellos of a large cluster.
inline constexpr std::size_t kJoinBytesMax = std::size_t{16} << 20;

struct JoinQuestion {
  comm::NodeId node = 0;
  Hello hello;
};

std::vector<std::byte> encode_join_question(const JoinQuestion& question);
std::vector<std::byte> encode_join_answer(const Result<JoinAnswer>& answer);

// How many bytes follow a header. kCorrupt: this is no such frame, or it is too long.
Result<std::size_t> join_frame_bytes(Bytes header);

// What followed it. An answer's own error is the router's; kCorrupt for bytes that are none.
Result<JoinQuestion> decode_join_question(Bytes bytes);
Result<JoinAnswer> decode_join_answer(Bytes bytes);

}  // namespace sluice::runtime
