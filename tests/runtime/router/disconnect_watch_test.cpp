// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/disconnect_watch.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>

namespace sluice::runtime {
namespace {

// Counts calls, and waits for them without hanging a test that fails.
class Calls {
 public:
  std::function<void()> counter() {
    return [this] {
      const std::lock_guard lock(mutex_);
      ++count_;
      changed_.notify_all();
    };
  }
  bool wait(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return count_ >= count; });
  }
  int count() {
    const std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

class DisconnectWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = DisconnectWatch::start();
    ASSERT_TRUE(started.has_value());
    watch_ = std::move(*started);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0);
  }
  void TearDown() override {
    if (ends_[0] >= 0) ::close(ends_[0]);
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  void hang_up() {
    ::close(ends_[1]);
    ends_[1] = -1;
  }

  Calls calls_;
  std::unique_ptr<DisconnectWatch> watch_;
  int ends_[2] = {-1, -1};
};

TEST_F(DisconnectWatchTest, SeesAHangUp) {
  const auto guard = watch_->watch(ends_[0], calls_.counter());
  EXPECT_EQ(calls_.count(), 0);
  hang_up();
  EXPECT_TRUE(calls_.wait(1));
}

TEST_F(DisconnectWatchTest, SeesAHangUpBeforeTheWatch) {
  hang_up();
  const auto guard = watch_->watch(ends_[0], calls_.counter());
  EXPECT_TRUE(calls_.wait(1));
}

// Two watches of one socket, the first one over: only the second is called. The bytes of a next
// request call nobody.
TEST_F(DisconnectWatchTest, AGuardThatIsGoneIsNotCalled) {
  Calls gone;
  watch_->watch(ends_[0], gone.counter()).reset();
  const auto guard = watch_->watch(ends_[0], calls_.counter());
  ASSERT_EQ(::write(ends_[1], "x", 1), 1);
  EXPECT_EQ(calls_.count(), 0);
  hang_up();
  EXPECT_TRUE(calls_.wait(1));
  EXPECT_EQ(gone.count(), 0);
}

TEST_F(DisconnectWatchTest, HangUpAllCallsEachOnceAndTheLateOnesAtOnce) {
  Calls late;
  const auto guard = watch_->watch(ends_[0], calls_.counter());
  watch_->hang_up_all();
  watch_->hang_up_all();
  EXPECT_EQ(calls_.count(), 1);
  const auto late_guard = watch_->watch(ends_[0], late.counter());
  EXPECT_EQ(late.count(), 1);
}

TEST_F(DisconnectWatchTest, ABadSocketIsNeverCalled) {
  const auto guard = watch_->watch(-1, calls_.counter());
  EXPECT_EQ(calls_.count(), 0);
}

}  // namespace
}  // namespace sluice::runtime
