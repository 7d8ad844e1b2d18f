// SPDX-License-Identifier: Apache-2.0
#include "launch/signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <utility>

#include "kernels/core/check.hpp"

namespace sluice::launch {
namespace {

constexpr unsigned kPatienceSeconds = 10;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

void watch(int wake_fd, const std::function<void(int)>& on_signal) {
  const sigset_t set = stop_signals();
  const int signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
  SLUICE_CHECK(signal_fd >= 0, "signalfd is refused");
  std::array<pollfd, 2> fds{{{signal_fd, POLLIN, 0}, {wake_fd, POLLIN, 0}}};
  while ((fds[1].revents & POLLIN) == 0) {
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    signalfd_siginfo info{};
    if ((fds[0].revents & POLLIN) != 0 && read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
      on_signal(static_cast<int>(info.ssi_signo));
    }
  }
  close(signal_fd);
}

}  // namespace

void block_signals() {
  const sigset_t set = stop_signals();
  SLUICE_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0, "signals cannot be blocked");
}

SignalWatch::SignalWatch(std::function<void(int)> on_signal) : wake_fd_(eventfd(0, EFD_CLOEXEC)) {
  SLUICE_CHECK(wake_fd_ >= 0, "eventfd is refused");
  thread_ = std::thread([fd = wake_fd_, call = std::move(on_signal)] { watch(fd, call); });
}

SignalWatch::~SignalWatch() {
  const std::uint64_t one = 1;
  SLUICE_CHECK(write(wake_fd_, &one, sizeof(one)) == sizeof(one), "eventfd is full");
  thread_.join();
  close(wake_fd_);
}

void stop_without_router(int /*signal*/) { alarm(kPatienceSeconds); }

}  // namespace sluice::launch
