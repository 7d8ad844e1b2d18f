// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/kv_pool.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>

#include "runtime/kv/host_memory.hpp"

namespace sluice::runtime {
namespace {

std::string gibibytes(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes / (1024.0 * 1024.0 * 1024.0));
  return text;
}

// Every page gets its memory now, so that a later write cannot fail. MADV_POPULATE_WRITE (Linux
// 5.14) reports a shortage; older kernels answer EINVAL and the pages are touched one by one.
bool touch(std::byte* memory, std::size_t bytes) {
#ifdef MADV_POPULATE_WRITE
  if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0) return true;
  if (errno != EINVAL) return false;
#endif
  const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for (std::size_t offset = 0; offset < bytes; offset += page_bytes) {
    *static_cast<volatile std::byte*>(memory + offset) = std::byte{0};
  }
  return true;
}

Error no_memory(double bytes, const std::string& why) {
  return make_error(ErrorCode::kResourceExhausted,
                    "a KV pool of " + gibibytes(bytes) + " does not fit in memory: " + why);
}

}  // namespace

std::size_t KvShape::bytes_per_token() const {
  return static_cast<std::size_t>(layers * kv_heads * head_dim) * 2 * dtype_block_bytes(dtype);
}

std::int64_t KvSequence::rows_max() const {
  const auto least = std::min_element(dropped.begin(), dropped.end());
  return tokens - (least == dropped.end() ? 0 : *least);
}

std::int64_t kv_blocks_for(std::int64_t tokens) {
  return tokens / kKvBlockTokens + (tokens % kKvBlockTokens != 0 ? 1 : 0);
}

Result<std::unique_ptr<KvPool>> KvPool::create(const KvShape& shape, std::int64_t blocks) {
  if (shape.layers <= 0 || shape.kv_heads <= 0 || shape.head_dim <= 0 || blocks <= 0) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a KV pool needs at least one layer, head, element and block");
  }
  if (shape.dtype != DType::kBF16 && shape.dtype != DType::kF32) {
    return make_error(ErrorCode::kInvalidArgument,
                      std::string("a KV pool holds bf16 or f32, not ") + dtype_name(shape.dtype));
  }
  if (blocks > std::numeric_limits<KvBlockId>::max()) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a KV pool of " + std::to_string(blocks) + " blocks is too large to number");
  }
  // In double first: the product of four hostile numbers may not fit in 64 bits.
  const double wanted = static_cast<double>(shape.layers) * static_cast<double>(shape.kv_heads) *
                        static_cast<double>(shape.head_dim) * static_cast<double>(blocks) *
                        static_cast<double>(kKvBlockTokens) * 2.0 *
                        static_cast<double>(dtype_block_bytes(shape.dtype));
  if (wanted > 0x1p62) return no_memory(wanted, "no machine has that much");
  if (const auto available = static_cast<double>(available_memory_bytes()); wanted > available) {
    return no_memory(wanted, "only " + gibibytes(available) + " are available");
  }
  const std::size_t bytes = shape.bytes_per_token() * static_cast<std::size_t>(kKvBlockTokens) *
                            static_cast<std::size_t>(blocks);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return no_memory(wanted, std::strerror(errno));
  madvise(memory, bytes, MADV_HUGEPAGE);  // only a hint: fewer TLB misses where it is heeded
  if (!touch(static_cast<std::byte*>(memory), bytes)) {
    const std::string why = std::strerror(errno);
    munmap(memory, bytes);
    return no_memory(wanted, why);
  }
  return std::unique_ptr<KvPool>(new KvPool(shape, blocks, static_cast<std::byte*>(memory), bytes));
}

KvPool::KvPool(const KvShape& shape, std::int64_t blocks, std::byte* memory, std::size_t bytes)
    : shape_(shape),
      blocks_(blocks),
      block_bytes_(static_cast<std::size_t>(shape.kv_heads * shape.head_dim * kKvBlockTokens) * 2 *
                   dtype_block_bytes(shape.dtype)),
      memory_(memory),
      memory_bytes_(bytes),
      holders_(static_cast<std::size_t>(blocks), 0),
      is_kept_(static_cast<std::size_t>(blocks), false) {
  // Lowest ids last, hence taken first: a fresh pool hands out neighbours.
  free_.reserve(static_cast<std::size_t>(blocks));
  for (std::int64_t id = blocks; id-- > 0;) free_.push_back(static_cast<KvBlockId>(id));
}

KvPool::~KvPool() { munmap(memory_, memory_bytes_); }

Result<std::vector<KvBlockId>> KvPool::acquire(std::int64_t blocks) {
  SLUICE_CHECK(blocks >= 0, "a negative number of KV blocks");
  if (blocks > free_blocks()) {
    return make_error(ErrorCode::kResourceExhausted,
                      "the KV pool has " + std::to_string(free_blocks()) + " of " +
                          std::to_string(blocks_) + " blocks free, " + std::to_string(blocks) +
                          " were asked for");
  }
  std::vector<KvBlockId> taken(free_.rbegin(), free_.rbegin() + blocks);
  free_.resize(free_.size() - static_cast<std::size_t>(blocks));
  for (const KvBlockId id : taken) holders_[static_cast<std::size_t>(id)] = 1;
  return taken;
}

// The index of a block of this pool.
std::size_t KvPool::index_of(KvBlockId block) const {
  SLUICE_CHECK(block >= 0 && block < blocks_, "a KV block of another pool");
  return static_cast<std::size_t>(block);
}

bool KvPool::is_held(KvBlockId block) const { return holders_[index_of(block)] > 0; }

void KvPool::share(std::span<const KvBlockId> blocks) {
  for (const KvBlockId id : blocks) {
    const std::size_t block = index_of(id);
    SLUICE_CHECK(holders_[block] > 0 || is_kept_[block], "a free KV block has nothing to share");
    if (holders_[block]++ == 0) --idle_;
  }
}

void KvPool::release(std::span<const KvBlockId> blocks) {
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const std::size_t block = index_of(blocks[i]);
    SLUICE_CHECK(holders_[block] > 0, "a KV block released twice");
    if (--holders_[block] > 0) continue;
    if (is_kept_[block]) {
      ++idle_;
    } else {
      free_.push_back(blocks[i]);
    }
  }
}

void KvPool::keep(std::span<const KvBlockId> blocks) {
  for (const KvBlockId id : blocks) {
    const std::size_t block = index_of(id);
    SLUICE_CHECK(holders_[block] > 0, "a KV block that nobody holds cannot be kept");
    SLUICE_CHECK(!is_kept_[block], "a KV block kept twice");
    is_kept_[block] = true;
  }
}

void KvPool::drop(std::span<const KvBlockId> blocks) {
  for (std::size_t i = blocks.size(); i-- > 0;) {
    const std::size_t block = index_of(blocks[i]);
    SLUICE_CHECK(is_kept_[block], "a KV block dropped that is not kept");
    is_kept_[block] = false;
    if (holders_[block] > 0) continue;
    --idle_;
    free_.push_back(blocks[i]);
  }
}

std::byte* KvPool::block(std::int64_t layer, KvBlockId block) {
  return const_cast<std::byte*>(std::as_const(*this).block(layer, block));
}

const std::byte* KvPool::block(std::int64_t layer, KvBlockId block) const {
  SLUICE_DCHECK(layer >= 0 && layer < shape_.layers && block >= 0 && block < blocks_,
                "outside the KV pool");
  return memory_ + (static_cast<std::size_t>(layer) * static_cast<std::size_t>(blocks_) +
                    static_cast<std::size_t>(block)) *
                       block_bytes_;
}

}  // namespace sluice::runtime
