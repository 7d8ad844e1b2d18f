// SPDX-License-Identifier: Apache-2.0
// How much memory this host could still give to a pool or a registered region.
#pragma once

#include <cstddef>
#include <istream>
#include <optional>

namespace sluice::runtime {

// MemAvailable of /proc/meminfo's text, in bytes; nothing when the line is not there.
std::optional<std::size_t> parse_memory_available(std::istream& meminfo);

// The number in a cgroup's memory.max; nothing for "max".
std::optional<std::size_t> parse_memory_limit(std::istream& memory_max);

// What can be had without swapping, or the limit of this process's container where that is less.
// The largest number where the kernel says neither. Nothing is reserved by asking.
std::size_t available_memory_bytes();

// The same, and no more than is free of shared memory (/dev/shm): a region that peers on this host
// can map is shared memory.
std::size_t registrable_memory_bytes();

}  // namespace sluice::runtime
