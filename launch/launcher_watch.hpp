// SPDX-License-Identifier: Apache-2.0
// Notices that the process that started this one is gone. Ranks whose mpirun or whose host's daemon
// of it was killed would otherwise serve on without anybody who could stop them.
#pragma once

#include <functional>
#include <thread>

namespace sluice::launch {

// Calls `on_gone` once, on a thread of its own and within a second of it, when the parent that this
// process has now ends. The launcher that ended before is MPI's to notice: joining it fails.
class LauncherWatch {
 public:
  explicit LauncherWatch(std::function<void()> on_gone);
  ~LauncherWatch();
  LauncherWatch(const LauncherWatch&) = delete;
  LauncherWatch& operator=(const LauncherWatch&) = delete;

 private:
  int wake_fd_;
  std::thread thread_;
};

}  // namespace sluice::launch
