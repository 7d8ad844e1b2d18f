// SPDX-License-Identifier: Apache-2.0
// How much memory this host could still give to a registered region.
#pragma once

#include <cstddef>
#include <istream>

namespace sluice::runtime {

// MemAvailable of /proc/meminfo's text, in bytes; 0 when the line is not there.
std::size_t parse_memory_available(std::istream& meminfo);

// The smaller of available memory and free shared memory (/dev/shm), since a region that peers on
// this host can map is shared memory. Nothing is reserved by asking.
std::size_t registrable_memory_bytes();

}  // namespace sluice::runtime
