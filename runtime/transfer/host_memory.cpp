// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/host_memory.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace sluice::runtime {

std::size_t parse_memory_available(std::istream& meminfo) {
  std::string line;
  while (std::getline(meminfo, line)) {
    std::istringstream fields(line);
    std::string name;
    std::size_t kilobytes = 0;
    if (fields >> name >> kilobytes && name == "MemAvailable:") return kilobytes << 10;
  }
  return 0;
}

std::size_t registrable_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  const std::size_t available = parse_memory_available(meminfo);
  struct statvfs shared {};
  if (statvfs("/dev/shm", &shared) != 0) return available;
  return std::min(available, static_cast<std::size_t>(shared.f_bavail) * shared.f_frsize);
}

}  // namespace sluice::runtime
