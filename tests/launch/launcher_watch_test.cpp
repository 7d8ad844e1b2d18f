// SPDX-License-Identifier: Apache-2.0
// Launchers that are killed: one of our own, then mpirun under a whole cluster.
#include "launch/launcher_watch.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <filesystem>

#include "tests/launch/served_cluster.hpp"
#include "tests/support/temporary_folder.hpp"

namespace sluice::launch {
namespace {

// Bounded by this only where a test has failed already.
constexpr std::chrono::seconds kEndsWithin{20};

// Orphans of a killed launcher become children of this process, so that it sees how they end.
void adopt_orphans() { ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); }

// The exit code of an adopted process; -1 when it did not end by itself in time: then it is killed.
int exit_code_of(pid_t process) {
  const auto until = std::chrono::steady_clock::now() + kEndsWithin;
  int status = 0;
  while (waitpid(process, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) {
      kill(process, SIGKILL);
      waitpid(process, nullptr, 0);
      return -1;
    }
    poll(nullptr, 0, 20);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(LauncherWatch, ALivingLauncherIsNoMatter) {
  bool is_gone = false;
  {
    const LauncherWatch watch([&] { is_gone = true; });
  }
  EXPECT_FALSE(is_gone);
}

TEST(LauncherWatch, AKilledLauncherIsNoticed) {
  adopt_orphans();
  std::array<int, 2> pipe{};
  ASSERT_EQ(pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t launcher = fork();
  ASSERT_GE(launcher, 0);
  if (launcher == 0) {
    if (fork() == 0) {
      const LauncherWatch watch([] { _exit(7); });
      const pid_t self = getpid();
      if (write(pipe[1], &self, sizeof(self)) != sizeof(self)) _exit(1);
      while (true) pause();
    }
    while (true) pause();
  }
  pid_t rank = 0;
  ASSERT_EQ(read(pipe[0], &rank, sizeof(rank)), static_cast<ssize_t>(sizeof(rank)));
  kill(launcher, SIGKILL);
  waitpid(launcher, nullptr, 0);
  EXPECT_EQ(exit_code_of(rank), 7);
  close(pipe[0]);
  close(pipe[1]);
}

TEST(LauncherWatch, NoRankOutlivesItsKilledMpirun) {
  if (kModel.empty()) GTEST_SKIP() << "the default model is not here: run launch/setup";
  adopt_orphans();
  const tests::TemporaryFolder folder;
  const auto config =
      folder.write("c.yaml", cluster_yaml("[router, prefill, decode]", "router: { port: 0 }\n"));
  tests::ChildProcess cluster(cluster_command(3, {"serve", config.string()}));
  ASSERT_TRUE(cluster.wait_for_error("serving", kPatience)) << cluster.error();
  const std::vector<pid_t> ranks = ranks_of(cluster.pid());
  ASSERT_EQ(ranks.size(), 3U);
  for (const pid_t child : children_of(cluster.pid())) {
    if (!children_of(child).empty())
      kill(child, SIGKILL);  // the launcher, not what waits beside it
  }
  EXPECT_NE(cluster.wait(kPatience), 0);
  for (const pid_t rank : ranks) EXPECT_EQ(exit_code_of(rank), 1);
}

}  // namespace
}  // namespace sluice::launch
