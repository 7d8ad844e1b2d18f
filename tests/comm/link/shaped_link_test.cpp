// SPDX-License-Identifier: Apache-2.0
// The link meter against a link that the kernel shapes (tc tbf) between two network namespaces. The
// judge is the receiver's card, which counts what came in the same time. Rates need time: each step
// is given the second that the meter promises, and is tried again if the machine had no time for
// it.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

namespace sluice::comm {
namespace {

constexpr int kAnswerMs = 20'000;
constexpr double kMbit = 1e6 / 8;

// A shaped_peer. Its end, and with it its namespace's, is that of its standard input.
class Peer {
 public:
  Peer() {
    int to[2];
    int from[2];
    if (::pipe(to) != 0 || ::pipe(from) != 0) return;
    id_ = ::fork();
    if (id_ == 0) {
      ::dup2(to[0], STDIN_FILENO);
      ::dup2(from[1], STDOUT_FILENO);
      for (const int file : {to[0], to[1], from[0], from[1]}) ::close(file);
      ::setenv("UCX_TLS", "tcp,self", 1);
      ::setenv("UCX_NET_DEVICES", "eth0", 1);
      ::setenv("UCX_LOG_FILE", "stderr", 1);  // the standard output is for answers
      ::execl(SLUICE_SHAPED_PEER, SLUICE_SHAPED_PEER, nullptr);
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    to_ = to[1];
    from_ = from[0];
  }
  ~Peer() {
    ::close(to_);
    ::close(from_);
    if (id_ > 0) ::waitpid(id_, nullptr, 0);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  pid_t id() const { return id_; }

  std::string ask(const std::string& command) {
    const std::string line = command + "\n";
    if (::write(to_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return "gone";
    return answer();
  }
  bool shell(const std::string& command) { return ask("shell " + command) == "ok"; }

  std::string answer() {
    std::size_t end = 0;
    while ((end = text_.find('\n')) == std::string::npos) {
      pollfd file{from_, POLLIN, 0};
      char bytes[4096];
      if (::poll(&file, 1, kAnswerMs) != 1) return "no answer";
      const ssize_t count = ::read(from_, bytes, sizeof(bytes));
      if (count <= 0) return "gone";
      text_.append(bytes, static_cast<std::size_t>(count));
    }
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }

 private:
  pid_t id_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string text_;
};

struct Seen {
  double free = 0.0;
  double capacity = 0.0;
  double other = 0.0;
  double utilization = 0.0;
  double received = 0.0;        // TCP's payload, by the receiver's card
  double received_other = 0.0;  // datagrams'
};

std::string text_of(const Seen& seen) {
  std::ostringstream text;
  text.precision(4);
  text << "free " << seen.free / kMbit << ", received " << seen.received / kMbit << ", capacity "
       << seen.capacity / kMbit << ", other " << seen.other / kMbit << ", received "
       << seen.received_other / kMbit << " Mbit/s, utilization " << seen.utilization;
  return text.str();
}

class ShapedLink : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
    if (std::system("ip -V >/dev/null 2>&1 && tc -V >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "there is no ip or no tc on this machine";
    }
    sender_ = std::make_unique<Peer>();
    receiver_ = std::make_unique<Peer>();
    if (sender_->answer() != "ready" || receiver_->answer() != "ready") {
      GTEST_SKIP() << "this system lets nobody make network namespaces";
    }
    if (!sender_->shell("ip link add eth0 type veth peer name eth0 netns " +
                        std::to_string(receiver_->id()) + " 2>/dev/null")) {
      GTEST_SKIP() << "this system has no veth devices";
    }
    for (auto& [peer, address] :
         {std::pair{sender_.get(), "10.77.0.1/24"}, std::pair{receiver_.get(), "10.77.0.2/24"}}) {
      ASSERT_TRUE(peer->shell("ip link set lo up && ip link set eth0 up"));
      ASSERT_TRUE(peer->shell(std::string("ip address add ") + address + " dev eth0"));
    }
    // Both ends are up a moment after the last command; only then a transport finds the device.
    for (Peer* peer : {sender_.get(), receiver_.get()}) {
      ASSERT_TRUE(
          peer->shell("timeout 10 sh -c 'until grep -q up /sys/class/net/eth0/operstate; "
                      "do :; done'"));
    }
    if (!sender_->shell(shaping("add", 1000, burst()) + " 2>/dev/null")) {
      GTEST_SKIP() << "this kernel has no tbf to shape a link with";
    }
    const std::string target = receiver_->ask("open");
    ASSERT_NE(sender_->ask("open").find(' '), std::string::npos);
    ASSERT_EQ(sender_->ask("send " + target), "ok");
  }

  // A burst stays as it is in a test: a packet that waits when it becomes too small never leaves.
  static std::string shaping(const std::string& verb, int mbit, const std::string& burst) {
    return "tc qdisc " + verb + " dev eth0 root tbf rate " + std::to_string(mbit) +
           "mbit latency 20ms burst " + burst;
  }
  void shape(int mbit) { ASSERT_TRUE(sender_->shell(shaping("change", mbit, burst()))) << mbit; }

  // Below 64 KiB packets are cut, and a pause does not save up for a portion.
  virtual std::string burst() const { return "500kb"; }

  // A second from now, and what came in the last half of it.
  Seen after_a_second() {
    Seen seen;
    sender_->ask("run 500000");
    const std::string answers[] = {receiver_->ask("count"), sender_->ask("run 500000"),
                                   receiver_->ask("count")};
    std::istringstream before(answers[0]);
    std::istringstream estimate(answers[1]);
    std::istringstream after(answers[2]);
    double from_us = 0.0;
    double from_bytes = 0.0;
    double from_other = 0.0;
    double to_us = 0.0;
    double to_bytes = 0.0;
    double to_other = 0.0;
    before >> from_us >> from_bytes >> from_other;
    after >> to_us >> to_bytes >> to_other;
    estimate >> seen.free >> seen.capacity >> seen.other >> seen.utilization;
    EXPECT_FALSE(estimate.fail() || before.fail() || after.fail())
        << answers[0] << " " << answers[1] << " " << answers[2];
    seen.received = (to_bytes - from_bytes) / (to_us - from_us) * 1e6;
    seen.received_other = (to_other - from_other) / (to_us - from_us) * 1e6;
    return seen;
  }

  std::unique_ptr<Peer> sender_;
  std::unique_ptr<Peer> receiver_;
};

bool is_near(double value, double wanted, double share) {
  return std::abs(value - wanted) <= share * wanted;
}

TEST_F(ShapedLink, AStepIsSeenWithinASecond) {
  constexpr int kTries = 3;
  int before = 1000;
  for (const int after : {50, 1000, 50, 10'000, 200, 10'000}) {
    bool is_seen = false;
    for (int i = 0; i < kTries && !is_seen && !HasFailure(); ++i) {
      if (i != 0 || before == 1000) {
        shape(before);
        after_a_second();
      }
      shape(after);
      const Seen seen = after_a_second();
      is_seen = is_near(seen.free, seen.received, 0.1) && seen.utilization > 0.9;
      // A slow link is full even on a busy machine: 95.6 % of a frame are payload.
      if (after <= 200) is_seen = is_seen && is_near(seen.free, 0.956 * after * kMbit, 0.1);
      std::cout << before << " to " << after << " Mbit/s: " << text_of(seen) << std::endl;
    }
    EXPECT_TRUE(is_seen) << "from " << before << " to " << after << " Mbit/s";
    before = after;
  }
}

TEST_F(ShapedLink, OthersOnTheCardAreTakenOff) {
  constexpr int kTries = 3;
  shape(400);
  after_a_second();
  bool is_seen = false;
  for (int i = 0; i < kTries && !is_seen && !HasFailure(); ++i) {
    ASSERT_EQ(sender_->ask("flood 0 10.77.0.2"), "ok");
    after_a_second();
    ASSERT_EQ(sender_->ask("flood " + std::to_string(150 * kMbit) + " 10.77.0.2"), "ok");
    const Seen seen = after_a_second();
    is_seen = seen.received_other > 20 * kMbit && is_near(seen.free, seen.received, 0.1) &&
              is_near(seen.other, seen.received_other, 0.2);
    std::cout << "beside 150 Mbit/s: " << text_of(seen) << std::endl;
  }
  EXPECT_TRUE(is_seen);
}

class ShapedLinkOfPortions : public ShapedLink {
 protected:
  std::string burst() const override { return "32kb"; }
};

// As serving does it: a prompt's cache, then nothing for a while.
TEST_F(ShapedLinkOfPortions, TellTheRateByTheirFlush) {
  constexpr int kTries = 3;
  ASSERT_EQ(sender_->ask("portions 1000000 50000"), "ok");
  for (const int mbit : {50, 200}) {
    bool is_seen = false;
    shape(mbit);
    after_a_second();
    for (int i = 0; i < kTries && !is_seen && !HasFailure(); ++i) {
      const Seen seen = after_a_second();
      is_seen = is_near(seen.capacity, 0.956 * mbit * kMbit, 0.15);
      std::cout << "portions at " << mbit << " Mbit/s: " << text_of(seen) << std::endl;
    }
    EXPECT_TRUE(is_seen) << mbit;
  }
}

}  // namespace
}  // namespace sluice::comm
