// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/process_watch.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice::comm::ucx {
namespace {

// A child that tells who it is, then sleeps until it is killed.
class Child {
 public:
  Child() {
    int pipe_ends[2];
    EXPECT_EQ(::pipe(pipe_ends), 0);
    process_ = ::fork();
    if (process_ == 0) {
      const ProcessIdentity own = own_identity();
      (void)!::write(pipe_ends[1], &own, sizeof(own));
      for (;;) ::pause();
    }
    EXPECT_EQ(::read(pipe_ends[0], &identity_, sizeof(identity_)),
              static_cast<ssize_t>(sizeof(identity_)));
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
  }
  ~Child() { kill(); }
  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  const ProcessIdentity& identity() const { return identity_; }

 private:
  pid_t process_ = -1;
  ProcessIdentity identity_;
};

bool has_ended(const ProcessWatch& watch) {
  pollfd descriptor{watch.descriptor.number(), POLLIN, 0};
  return ::poll(&descriptor, 1, 0) == 1;
}

TEST(ProcessWatch, SeesTheEndOfAProcess) {
  Child child;
  const ProcessWatch watch = watch_process(child.identity());
  ASSERT_GE(watch.descriptor.number(), 0);
  EXPECT_FALSE(watch.has_ended);
  EXPECT_FALSE(has_ended(watch));
  child.kill();
  EXPECT_TRUE(has_ended(watch));
}

TEST(ProcessWatch, KnowsAProcessThatHasEndedBefore) {
  Child child;
  child.kill();
  EXPECT_TRUE(watch_process(child.identity()).has_ended);
}

TEST(ProcessWatch, ANumberUsedAgainIsNotTheProcessMeant) {
  Child child;
  ProcessIdentity earlier = child.identity();
  earlier.start_ticks -= 1;
  EXPECT_TRUE(watch_process(earlier).has_ended);
}

TEST(ProcessWatch, LeavesOthersAlone) {
  EXPECT_LT(watch_process(own_identity()).descriptor.number(), 0);
  Child child;
  ProcessIdentity elsewhere = child.identity();
  elsewhere.host ^= 1;
  EXPECT_LT(watch_process(elsewhere).descriptor.number(), 0);
  EXPECT_FALSE(watch_process(elsewhere).has_ended);
  elsewhere = child.identity();
  elsewhere.pid_namespace ^= 1;
  EXPECT_LT(watch_process(elsewhere).descriptor.number(), 0);
  EXPECT_FALSE(watch_process(ProcessIdentity{}).has_ended);
}

}  // namespace
}  // namespace sluice::comm::ucx
