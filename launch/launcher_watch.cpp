// SPDX-License-Identifier: Apache-2.0
#include "launch/launcher_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "kernels/core/check.hpp"

namespace sluice::launch {
namespace {

constexpr int kIntervalMs = 500;

// An orphan gets another parent. Asked for at intervals: the signal of PR_SET_PDEATHSIG would come
// when the launcher's thread that forked us ends, and could not tell the two apart.
void watch(int wake_fd, pid_t launcher, const std::function<void()>& on_gone) {
  pollfd wake{wake_fd, POLLIN, 0};
  do {
    if (getppid() != launcher) return on_gone();
  } while (poll(&wake, 1, kIntervalMs) <= 0);
}

}  // namespace

LauncherWatch::LauncherWatch(std::function<void()> on_gone) : wake_fd_(eventfd(0, EFD_CLOEXEC)) {
  SLUICE_CHECK(wake_fd_ >= 0, "eventfd is refused");
  thread_ = std::thread([fd = wake_fd_, launcher = getppid(), call = std::move(on_gone)] {
    watch(fd, launcher, call);
  });
}

LauncherWatch::~LauncherWatch() {
  const std::uint64_t one = 1;
  SLUICE_CHECK(write(wake_fd_, &one, sizeof(one)) == sizeof(one), "eventfd is full");
  thread_.join();
  close(wake_fd_);
}

}  // namespace sluice::launch
