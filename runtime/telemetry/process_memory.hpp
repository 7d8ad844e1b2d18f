// SPDX-License-Identifier: Apache-2.0
// The memory of this process as the kernel counts it, mapped files told apart from its own.
#pragma once

#include <cstddef>
#include <string_view>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// Resident bytes. Mapped weights count as file, heaps and stacks as anonymous, arenas shared with
// other processes as shared; the three add up to `resident_bytes`.
struct ProcessMemory {
  std::size_t peak_bytes = 0;
  std::size_t resident_bytes = 0;
  std::size_t anonymous_bytes = 0;
  std::size_t file_bytes = 0;
  std::size_t shared_bytes = 0;
};

// Of this process, now. kUnsupported where there is no /proc.
Result<ProcessMemory> read_process_memory();

// `status`: the text of /proc/PID/status. kCorrupt names the field that is missing or not in kB.
Result<ProcessMemory> parse_process_memory(std::string_view status);

}  // namespace sluice::runtime
