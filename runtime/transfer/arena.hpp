// SPDX-License-Identifier: Apache-2.0
// Which parts of one registered memory are taken: slots of any size, first fit, merged when freed.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

namespace sluice::runtime {

class Arena {
 public:
  explicit Arena(std::size_t bytes);

  // The offset of a free run of `bytes` (rounded up to kAlignmentBytes), or nothing for now.
  std::optional<std::size_t> acquire(std::size_t bytes);

  // `offset` as acquire() gave it.
  void release(std::size_t offset);
  std::size_t bytes_of(std::size_t offset) const { return taken_.at(offset); }

  // What acquire() would give at most.
  std::size_t largest_free_bytes() const;

  std::size_t bytes() const { return bytes_; }
  std::size_t bytes_taken() const { return taken_bytes_; }

  // 256: a slot starts on its own cache lines, and on a boundary that RDMA NICs and GPUs like.
  static constexpr std::size_t kAlignmentBytes = 256;

 private:
  std::size_t bytes_;
  std::size_t taken_bytes_ = 0;
  std::map<std::size_t, std::size_t> free_;   // offset -> bytes, never adjacent
  std::map<std::size_t, std::size_t> taken_;  // offset -> bytes
};

}  // namespace sluice::runtime
