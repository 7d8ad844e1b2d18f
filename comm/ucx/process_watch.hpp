// SPDX-License-Identifier: Apache-2.0
// Notices the end of a peer's process on this host, at once. Private to the folder.
//
// Why beside UCX's own keepalive: over shared memory UCX learns of a death only when it must ring
// the peer's bell, which a peer that was busy, stopped or still connecting has not armed.
#pragma once

#include <cstdint>

#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {

// A process, unmistakably: process numbers are reused, and each namespace has its own.
struct ProcessIdentity {
  std::uint64_t host = 0;           // of the running kernel; 0: unknown
  std::uint64_t pid_namespace = 0;  // 0: unknown
  std::uint64_t start_ticks = 0;    // after boot
  std::uint32_t process = 0;
  std::uint32_t reserved = 0;
};

ProcessIdentity own_identity();

struct ProcessWatch {
  Descriptor descriptor;  // readable once the process has ended; -1 where it cannot be watched
  bool has_ended = false;
};

// Watches nothing for a process of another host or namespace, or for this one.
ProcessWatch watch_process(const ProcessIdentity& identity);

}  // namespace sluice::comm::ucx
