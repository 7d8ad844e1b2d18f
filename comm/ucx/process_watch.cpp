// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/process_watch.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace sluice::comm::ucx {
namespace {

// Field 22 of /proc/PROCESS/stat (proc(5)); 0 when there is no such process.
std::uint64_t start_ticks(std::uint32_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // The second field, the name, is in parentheses and may hold anything.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  return fields ? std::strtoull(field.c_str(), nullptr, 10) : 0;
}

}  // namespace

ProcessIdentity own_identity() {
  ProcessIdentity identity;
  std::ifstream boot("/proc/sys/kernel/random/boot_id");
  std::string boot_id;
  if (boot >> boot_id) {
    identity.host = 0xcbf29ce484222325U;  // FNV-1a
    for (const char character : boot_id) {
      identity.host = (identity.host ^ static_cast<unsigned char>(character)) * 0x100000001b3U;
    }
  }
  struct stat space {};
  if (::stat("/proc/self/ns/pid", &space) == 0) identity.pid_namespace = space.st_ino;
  identity.process = static_cast<std::uint32_t>(::getpid());
  identity.start_ticks = start_ticks(identity.process);
  return identity;
}

ProcessWatch watch_process(const ProcessIdentity& identity) {
  const ProcessIdentity own = own_identity();
  if (own.host == 0 || own.pid_namespace == 0 || own.start_ticks == 0 ||
      identity.host != own.host || identity.pid_namespace != own.pid_namespace ||
      identity.process == own.process) {
    return {};
  }
  ProcessWatch watch;
  // By number: glibc has pidfd_open() only from 2.36 on. The descriptor closes on exec by itself.
  watch.descriptor = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, identity.process, 0)));
  if (watch.descriptor.number() < 0) {
    watch.has_ended = errno == ESRCH;
  } else if (start_ticks(identity.process) != identity.start_ticks) {
    // Asked after the descriptor was opened, so the descriptor is the process we looked at.
    watch.has_ended = true;
  }
  return watch;
}

}  // namespace sluice::comm::ucx
