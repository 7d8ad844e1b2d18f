// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/host_memory.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

namespace sluice::runtime {

std::optional<std::size_t> parse_memory_available(std::istream& meminfo) {
  std::string line;
  while (std::getline(meminfo, line)) {
    std::istringstream fields(line);
    std::string name;
    std::size_t kilobytes = 0;
    if (fields >> name >> kilobytes && name == "MemAvailable:") return kilobytes << 10;
  }
  return std::nullopt;
}

std::optional<std::size_t> parse_memory_limit(std::istream& memory_max) {
  std::size_t bytes = 0;
  if (memory_max >> bytes) return bytes;
  return std::nullopt;
}

std::size_t available_memory_bytes() {
  constexpr std::size_t kUnknown = std::numeric_limits<std::size_t>::max();
  std::ifstream meminfo("/proc/meminfo");
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  return std::min(parse_memory_available(meminfo).value_or(kUnknown),
                  parse_memory_limit(limit).value_or(kUnknown));
}

std::size_t registrable_memory_bytes() {
  const std::size_t available = available_memory_bytes();
  struct statvfs shared {};
  if (statvfs("/dev/shm", &shared) != 0) return available;
  return std::min(available, static_cast<std::size_t>(shared.f_bavail) * shared.f_frsize);
}

}  // namespace sluice::runtime
