// SPDX-License-Identifier: Apache-2.0
// What comm/transport.hpp promises about a peer that dies. Where a transport joins processes the
// peer is one, and is killed; the transports of one process have their peer destroyed instead.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>

#include "tests/contract/transport_nodes.hpp"

extern char** environ;

namespace sluice::comm {
namespace {

// A peer with node id 1 that can be stopped and killed.
class Victim {
 public:
  Victim(std::string_view transport, Node& node)
      : is_process_(transport == "ucx"), is_instant_(transport == "loopback") {
    if (is_process_) {
      start_process(transport);
    } else {
      start_here(transport);
    }
    connect(node);
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;
  ~Victim() { kill(); }

  // It answers nothing any more, but is not dead.
  void stop() const {
    if (is_process_) ::kill(process_, SIGSTOP);
  }
  void kill() {
    here_.transport.reset();
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
    ::close(to_);
    ::close(from_);
  }
  // All that is posted has happened at once: nothing is ever pending.
  bool is_instant() const { return is_instant_; }
  // Writes into the test's region without end; a victim that is no process, once.
  void start_writing(std::span<const std::byte> key) {
    if (is_process_) {
      send_item(key);
      return;
    }
    const auto target = here_.transport->import_region(0, key);
    ASSERT_TRUE(target);
    source_ = pattern(target->bytes, 77);
    ASSERT_TRUE(here_.transport->write(*target, 0, source_, 0));
  }
  const RemoteRegion& region() const { return region_; }
  const std::vector<std::byte>& address() const { return address_; }

 private:
  void start_process(std::string_view transport) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    ASSERT_EQ(::pipe2(in.data(), O_CLOEXEC), 0);
    ASSERT_EQ(::pipe2(out.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::string program = SLUICE_TRANSPORT_VICTIM;
    std::string name(transport);
    char* arguments[] = {program.data(), name.data(), nullptr};
    ASSERT_EQ(posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
    address_ = read_item();
    key_ = read_item();
  }
  void start_here(std::string_view transport) {
    here_ = open_node(transport, 1);
    const auto region = here_.transport->allocate(std::size_t{64} << 20, MemoryKind::kHost);
    ASSERT_TRUE(region);
    address_ = here_.transport->address();
    key_ = *here_.transport->export_region(*region);
  }
  void connect(Node& node) {
    ASSERT_TRUE(node.transport->connect(1, address_));
    const auto imported = node.transport->import_region(1, key_);
    ASSERT_TRUE(imported);
    region_ = *imported;
    const auto address = node.transport->address();
    if (is_process_) {
      send_item(address);
    } else {
      ASSERT_TRUE(here_.transport->connect(0, address));
      ASSERT_TRUE(here_.transport->send(0, 1, {}));
    }
    // Both directions are wired up when its greeting is here and ours has left.
    ASSERT_TRUE(node.transport->send(1, 1, {}, 1));
    ASSERT_TRUE(node.transport->flush(1, 2));
    ASSERT_TRUE(drive({&node}, [&] {
      return node.count(CompletionKind::kMessage) == 1 && node.of(1) && node.of(2);
    }));
    node.seen.clear();
  }
  void send_item(std::span<const std::byte> item) const {
    const auto size = static_cast<std::uint32_t>(item.size());
    ASSERT_EQ(::write(to_, &size, sizeof(size)), static_cast<ssize_t>(sizeof(size)));
    ASSERT_EQ(::write(to_, item.data(), size), static_cast<ssize_t>(size));
  }
  std::vector<std::byte> read_item() const {
    std::uint32_t size = 0;
    read_all(&size, sizeof(size));
    std::vector<std::byte> item(size);
    read_all(item.data(), size);
    return item;
  }
  void read_all(void* data, std::size_t bytes) const {
    auto* next = static_cast<char*>(data);
    while (bytes != 0) {
      const ssize_t got = ::read(from_, next, bytes);
      ASSERT_GT(got, 0) << "the peer's process ended early";
      next += got;
      bytes -= static_cast<std::size_t>(got);
    }
  }

  bool is_process_;
  bool is_instant_;
  pid_t process_ = -1;
  int to_ = -1;
  int from_ = -1;
  Node here_;
  std::vector<std::byte> address_;
  std::vector<std::byte> key_;
  RemoteRegion region_;
  std::vector<std::byte> source_;
};

class TransportLoss : public testing::TestWithParam<TransportRow> {};

TEST_P(TransportLoss, AnIdleDeadPeerIsReportedOnceAndThenUnavailable) {
  Node node = open_node(GetParam().name, 0);
  Victim victim(GetParam().name, node);
  victim.kill();
  ASSERT_TRUE(drive(
      {&node}, [&] { return !node.seen.empty() && node.seen.back().fate == PeerFate::kGone; }));
  // Once; or first that it cannot be reached, and then what became of it.
  const std::size_t reports = node.seen.size();
  ASSERT_LE(reports, 2U);
  for (const Completion& seen : node.seen) {
    EXPECT_EQ(seen.kind, CompletionKind::kPeerLost);
    EXPECT_EQ(seen.peer, 1U);
    EXPECT_FALSE(seen.status);
  }
  EXPECT_TRUE(reports == 1 || node.seen[0].fate == PeerFate::kUnknown);

  const auto bytes = pattern(10, 1);
  EXPECT_EQ(node.transport->send(1, 1, bytes, 5).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(node.transport->flush(1, 6).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(node.transport->write(victim.region(), 0, bytes, 7).error().code,
            ErrorCode::kUnavailable);
  // Nothing more comes of it.
  for (int round = 0; round < 20; ++round) {
    node.poll();
    node.transport->wait(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(node.seen.size(), reports);
}

TEST_P(TransportLoss, APeerThatDiedBeforeConnectIsReportedToo) {
  std::vector<std::byte> address;
  {
    Node first = open_node(GetParam().name, 2);
    Victim victim(GetParam().name, first);
    address = victim.address();
  }
  Node node = open_node(GetParam().name, 0);
  ASSERT_TRUE(node.transport->connect(1, address));
  (void)node.transport->send(1, 1, {});  // may be how it is noticed
  ASSERT_TRUE(drive({&node}, [&] { return node.count(CompletionKind::kPeerLost) != 0; }));
  EXPECT_EQ(node.count(CompletionKind::kPeerLost), 1U);
  for (const Completion& seen : node.seen) {
    EXPECT_TRUE(seen.kind != CompletionKind::kPeerLost || seen.fate == PeerFate::kGone);
  }
  EXPECT_EQ(node.transport->flush(1, 5).error().code, ErrorCode::kUnavailable);
}

TEST_P(TransportLoss, OperationsPendingAtTheDeathComplete) {
  Node node = open_node(GetParam().name, 0);
  Victim victim(GetParam().name, node);
  victim.stop();
  const auto bytes = pattern(8 << 20, 1);
  OperationId last = 0;
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(node.transport->send(1, 1, bytes, ++last));
    ASSERT_TRUE(node.transport->write(victim.region(), 0, bytes, ++last));
  }
  ASSERT_TRUE(node.transport->flush(1, ++last));
  const auto all_done = [&] {
    for (OperationId operation = 1; operation <= last; ++operation) {
      if (node.of(operation) == nullptr) return false;
    }
    return true;
  };
  for (int round = 0; round < 20; ++round) node.poll();
  const bool was_pending = !all_done();
  // A stopped process cannot take 32 MB of messages.
  EXPECT_NE(was_pending, victim.is_instant());
  victim.kill();
  ASSERT_TRUE(
      drive({&node}, [&] { return all_done() && node.count(CompletionKind::kPeerLost) != 0; }));
  std::size_t failures = 0;
  for (OperationId operation = 1; operation <= last; ++operation) {
    const Status& status = node.of(operation)->status;
    if (status) continue;
    ++failures;
    EXPECT_EQ(status.error().code, ErrorCode::kUnavailable) << status.error().message;
  }
  EXPECT_NE(failures != 0, victim.is_instant());
  EXPECT_EQ(node.count(CompletionKind::kPeerLost), 1U);
}

TEST_P(TransportLoss, NothingOfAPeerLandsOnceItIsGone) {
  for (int life = 0; life < 4; ++life) {
    Node node = open_node(GetParam().name, 0);
    const auto region = node.transport->allocate(std::size_t{8} << 20, MemoryKind::kHost);
    ASSERT_TRUE(region);
    const auto key = node.transport->export_region(*region);
    ASSERT_TRUE(key);
    Victim victim(GetParam().name, node);
    victim.start_writing(*key);
    // Killed in the middle of its writes.
    const auto* last = static_cast<const volatile std::byte*>(region->data + region->bytes - 1);
    ASSERT_TRUE(drive({&node}, [&] { return *last != std::byte{0}; }));
    victim.kill();
    ASSERT_TRUE(drive({&node}, [&] { return node.count(CompletionKind::kPeerLost) != 0; }));
    for (const Completion& seen : node.seen) {
      EXPECT_TRUE(seen.kind != CompletionKind::kPeerLost || seen.fate == PeerFate::kGone);
    }
    std::memset(region->data, 0x5a, region->bytes);
    for (int round = 0; round < 50; ++round) {
      node.poll();
      node.transport->wait(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(std::all_of(region->data, region->data + region->bytes,
                            [](std::byte byte) { return byte == std::byte{0x5a}; }));
  }
}

TEST_P(TransportLoss, OperationsPendingAtACloseAreCancelled) {
  Node node = open_node(GetParam().name, 0);
  Victim victim(GetParam().name, node);
  victim.stop();
  const auto bytes = pattern(8 << 20, 1);
  for (OperationId operation = 1; operation <= 4; ++operation) {
    ASSERT_TRUE(node.transport->send(1, 1, bytes, operation));
  }
  node.transport->close(1);
  ASSERT_TRUE(drive({&node}, [&] { return node.of(1) && node.of(2) && node.of(3) && node.of(4); }));
  std::size_t cancelled = 0;
  for (const Completion& completion : node.seen) {
    if (completion.status) continue;
    ++cancelled;
    EXPECT_EQ(completion.status.error().code, ErrorCode::kCancelled);
  }
  EXPECT_NE(cancelled != 0, victim.is_instant());
  EXPECT_EQ(node.count(CompletionKind::kPeerLost), 0U);
}

TEST_P(TransportLoss, ANewPeerTakesTheDeadOnesPlace) {
  Node node = open_node(GetParam().name, 0);
  for (int life = 0; life < 3; ++life) {
    Victim victim(GetParam().name, node);  // connects as node 1 again
    const auto bytes = pattern(100000, 1);
    ASSERT_TRUE(node.transport->write(victim.region(), 0, bytes, 3));
    ASSERT_TRUE(node.transport->flush(1, 4));
    ASSERT_TRUE(drive({&node}, [&] { return node.of(3) && node.of(4); }));
    EXPECT_TRUE(node.of(4)->status);
    victim.kill();
    ASSERT_TRUE(drive({&node}, [&] { return node.count(CompletionKind::kPeerLost) == 1; }));
    node.seen.clear();
  }
}

// A rank's new process may be told of us before we are told of it.
TEST_P(TransportLoss, WhatANewProcessSaysBeforeItIsConnectedIsHeard) {
  Node node = open_node(GetParam().name, 0);
  Node before = open_node(GetParam().name, 1);
  ASSERT_TRUE(node.transport->connect(1, before.transport->address()));
  ASSERT_TRUE(node.transport->send(1, 1, {}));
  ASSERT_TRUE(drive({&node, &before}, [&] { return before.count(CompletionKind::kMessage) == 1; }));
  Node after = open_node(GetParam().name, 1);
  ASSERT_TRUE(after.transport->connect(0, node.transport->address()));
  ASSERT_TRUE(after.transport->send(0, 2, pattern(1000, 2), 9));
  ASSERT_TRUE(drive({&node, &after}, [&] { return after.of(9) != nullptr; }));
  ASSERT_TRUE(node.transport->connect(1, after.transport->address()));
  ASSERT_TRUE(drive({&node, &after}, [&] { return node.count(CompletionKind::kMessage) == 1; }));
  EXPECT_EQ(node.messages()[0]->type, 2U);
  EXPECT_TRUE(node.messages()[0]->payload == pattern(1000, 2));
}

TEST_P(TransportLoss, APeersDeathLeavesTheOthersAlone) {
  Node node = open_node(GetParam().name, 0);
  Node other = open_node(GetParam().name, 2);
  ASSERT_TRUE(node.transport->connect(2, other.transport->address()));
  Victim victim(GetParam().name, node);
  victim.kill();
  const auto bytes = pattern(3 << 20, 4);
  ASSERT_TRUE(node.transport->send(2, 9, bytes));
  ASSERT_TRUE(drive({&node, &other}, [&] {
    return other.count(CompletionKind::kMessage) == 1 && node.count(CompletionKind::kPeerLost) == 1;
  }));
  EXPECT_TRUE(other.messages()[0]->payload == bytes);
}

INSTANTIATE_TEST_SUITE_P(Table, TransportLoss,
                         testing::ValuesIn(transport_table().begin(), transport_table().end()),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace sluice::comm
