// SPDX-License-Identifier: Apache-2.0
// What comm/transport.hpp promises, asked of every transport of the table.
#include <algorithm>
#include <cstring>
#include <string>
#include <thread>

#include "tests/contract/transport_nodes.hpp"

namespace sluice::comm {
namespace {

class TransportContract : public testing::TestWithParam<TransportRow> {
 protected:
  // Nodes 0..count-1, all connected to all, in both directions.
  void open_cluster(NodeId count) {
    for (NodeId self = 0; self < count; ++self) {
      nodes.push_back(open_node(GetParam().name, self));
      ASSERT_NE(nodes.back().transport, nullptr);
    }
    for (Node& node : nodes) {
      for (const Node& peer : nodes) {
        if (&peer == &node) continue;
        ASSERT_TRUE(node.transport->connect(peer.transport->self(), peer.transport->address()));
      }
    }
  }
  bool drive_until(const std::function<bool()>& is_done) {
    std::vector<Node*> all;
    for (Node& node : nodes) all.push_back(&node);
    return drive(all, is_done);
  }
  // A region of node `owner`, imported by node `writer`.
  std::pair<Region, RemoteRegion> grant(NodeId owner, NodeId writer, std::size_t bytes) {
    const auto region = nodes[owner].transport->allocate(bytes, MemoryKind::kHost);
    EXPECT_TRUE(region.has_value());
    const auto key = nodes[owner].transport->export_region(*region);
    EXPECT_TRUE(key.has_value());
    const auto remote =
        nodes[writer].transport->import_region(nodes[owner].transport->self(), *key);
    EXPECT_TRUE(remote.has_value()) << (remote ? "" : remote.error().message);
    return {*region, remote ? *remote : RemoteRegion{}};
  }

  std::vector<Node> nodes;
};

TEST_P(TransportContract, SaysWhoItIs) {
  Node node = open_node(GetParam().name, 7);
  EXPECT_EQ(node.transport->self(), 7U);
  EXPECT_EQ(node.transport->address(), node.transport->address());
  EXPECT_FALSE(node.transport->address().empty());
}

TEST_P(TransportContract, RejectsAnAddressItCannotRead) {
  Node node = open_node(GetParam().name, 0);
  std::vector<std::byte> address = node.transport->address();
  EXPECT_EQ(node.transport->connect(1, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(node.transport->connect(1, as_bytes("tcp://example")).error().code,
            ErrorCode::kInvalidArgument);
  address.pop_back();
  EXPECT_EQ(node.transport->connect(1, address).error().code, ErrorCode::kInvalidArgument);
}

TEST_P(TransportContract, MessagesOfAnySizeArriveWhole) {
  open_cluster(2);
  const std::vector<std::size_t> sizes = {0,     1,      7,       64,      1000,   8192,
                                          65536, 100003, 1 << 20, 3000001, 8 << 20};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto payload = pattern(sizes[i], static_cast<std::uint32_t>(i));
    // The caller's bytes go away at once: send() copies.
    ASSERT_TRUE(nodes[0].transport->send(1, static_cast<std::uint16_t>(i), payload, i + 1));
  }
  ASSERT_TRUE(drive_until([&] {
    return nodes[1].count(CompletionKind::kMessage) == sizes.size() &&
           nodes[0].count(CompletionKind::kSendDone) == sizes.size();
  }));
  std::vector<bool> has_arrived(sizes.size());
  for (const Completion* message : nodes[1].messages()) {
    ASSERT_LT(message->type, sizes.size());
    EXPECT_FALSE(has_arrived[message->type]);
    has_arrived[message->type] = true;
    EXPECT_EQ(message->peer, 0U);
    EXPECT_TRUE(message->payload == pattern(sizes[message->type], message->type))
        << sizes[message->type] << " bytes";
  }
}

TEST_P(TransportContract, ThreeNodesTalkInAllDirections) {
  open_cluster(3);
  for (Node& from : nodes) {
    for (const Node& to : nodes) {
      if (&from == &to) continue;
      const NodeId sender = from.transport->self();
      const NodeId receiver = to.transport->self();
      ASSERT_TRUE(from.transport->send(receiver, static_cast<std::uint16_t>(10 * sender + receiver),
                                       pattern(5000, sender)));
    }
  }
  ASSERT_TRUE(drive_until([&] {
    return std::all_of(nodes.begin(), nodes.end(),
                       [](const Node& node) { return node.count(CompletionKind::kMessage) == 2; });
  }));
  for (const Node& node : nodes) {
    for (const Completion* message : node.messages()) {
      EXPECT_EQ(message->type, 10 * message->peer + node.transport->self());
      EXPECT_TRUE(message->payload == pattern(5000, message->peer));
    }
  }
}

TEST_P(TransportContract, APeerThatNeverConnectedCanBeSentTo) {
  for (NodeId self = 0; self < 2; ++self) nodes.push_back(open_node(GetParam().name, self));
  ASSERT_TRUE(nodes[0].transport->connect(1, nodes[1].transport->address()));
  ASSERT_TRUE(nodes[0].transport->send(1, 1, pattern(100, 1)));
  ASSERT_TRUE(nodes[0].transport->send(1, 2, pattern(2 << 20, 2)));
  ASSERT_TRUE(drive_until([&] { return nodes[1].count(CompletionKind::kMessage) == 2; }));
  // And may connect back afterwards.
  ASSERT_TRUE(nodes[1].transport->connect(0, nodes[0].transport->address()));
  ASSERT_TRUE(nodes[1].transport->send(0, 3, pattern(2 << 20, 3)));
  ASSERT_TRUE(drive_until([&] { return nodes[0].count(CompletionKind::kMessage) == 1; }));
  EXPECT_TRUE(nodes[0].messages()[0]->payload == pattern(2 << 20, 3));
}

TEST_P(TransportContract, AllocatedMemoryIsZeroAndAsLargeAsAsked) {
  Node node = open_node(GetParam().name, 0);
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4097}, std::size_t{5} << 20}) {
    const auto region = node.transport->allocate(bytes, MemoryKind::kHost);
    ASSERT_TRUE(region);
    EXPECT_GE(region->bytes, bytes);
    EXPECT_TRUE(std::all_of(region->data, region->data + bytes,
                            [](std::byte byte) { return byte == std::byte{0}; }));
    std::memset(region->data, 0xff, bytes);
    node.transport->release(*region);
  }
  EXPECT_EQ(node.transport->allocate(0, MemoryKind::kHost).error().code,
            ErrorCode::kInvalidArgument);
}

TEST_P(TransportContract, DeviceMemoryIsThereOrTheReasonIsSaid) {
  Node node = open_node(GetParam().name, 0);
  const auto region = node.transport->allocate(100000, MemoryKind::kCuda);
  if (!region) {
    EXPECT_EQ(region.error().code, ErrorCode::kUnsupported);
    EXPECT_GT(region.error().message.size(), 10U);
    return;
  }
  EXPECT_EQ(region->kind, MemoryKind::kCuda);
  EXPECT_TRUE(node.transport->export_region(*region));
  node.transport->release(*region);
}

TEST_P(TransportContract, WritesLandWhereTheyShouldAndNowhereElse) {
  open_cluster(2);
  const auto [region, remote] = grant(1, 0, 1 << 20);
  EXPECT_GE(remote.bytes, std::size_t{1} << 20);
  std::vector<std::byte> expected(region.bytes);
  const std::pair<std::size_t, std::size_t> places[] = {
      {0, 1}, {3, 61}, {4096, 8192}, {100001, 333333}, {region.bytes - 5, 5}, {500000, 0}};
  std::vector<std::vector<std::byte>> sources;
  OperationId operation = 1;
  for (const auto& [offset, bytes] : places) {
    sources.push_back(pattern(bytes, static_cast<std::uint32_t>(operation)));
    std::copy(sources.back().begin(), sources.back().end(),
              expected.begin() + static_cast<std::ptrdiff_t>(offset));
    ASSERT_TRUE(nodes[0].transport->write(remote, offset, sources.back(), operation++));
  }
  ASSERT_TRUE(nodes[0].transport->flush(1, 100));
  ASSERT_TRUE(drive_until([&] {
    return nodes[0].count(CompletionKind::kWriteDone) == std::size(places) &&
           nodes[0].of(100) != nullptr;
  }));
  EXPECT_EQ(nodes[0].of(100)->kind, CompletionKind::kFlushDone);
  EXPECT_TRUE(nodes[0].of(100)->status);
  EXPECT_EQ(std::memcmp(region.data, expected.data(), expected.size()), 0);
}

TEST_P(TransportContract, WritesFromALocalRegionLand) {
  open_cluster(2);
  const auto [region, remote] = grant(1, 0, 4 << 20);
  const auto staging = nodes[0].transport->allocate(4 << 20, MemoryKind::kHost);
  ASSERT_TRUE(staging);
  const auto bytes = pattern(staging->bytes, 9);
  std::memcpy(staging->data, bytes.data(), bytes.size());
  ASSERT_TRUE(nodes[0].transport->write(remote, 0, {staging->data, staging->bytes}, 1));
  ASSERT_TRUE(nodes[0].transport->flush(1, 2));
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(1) != nullptr && nodes[0].of(2) != nullptr; }));
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0);
}

TEST_P(TransportContract, AfterAFlushAMessageFindsTheDataThere) {
  open_cluster(2);
  const auto [region, remote] = grant(1, 0, 1 << 18);
  for (std::uint32_t round = 1; round <= 50; ++round) {
    const auto bytes = pattern(1 << 18, round);
    nodes[0].seen.clear();
    nodes[1].seen.clear();
    ASSERT_TRUE(nodes[0].transport->write(remote, 0, bytes, 1));
    ASSERT_TRUE(nodes[0].transport->flush(1, 2));
    ASSERT_TRUE(drive_until([&] { return nodes[0].of(1) && nodes[0].of(2); }));
    ASSERT_TRUE(nodes[0].transport->send(1, 5, {}));
    ASSERT_TRUE(drive_until([&] { return nodes[1].count(CompletionKind::kMessage) == 1; }));
    ASSERT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0) << "round " << round;
  }
}

TEST_P(TransportContract, AMessageDoesNotQueueBehindWrites) {
  open_cluster(2);
  constexpr std::size_t kWrites = 32;
  const auto [region, remote] = grant(1, 0, 8 << 20);
  const auto bytes = pattern(8 << 20, 1);
  // Wired up, both ways and both lanes.
  ASSERT_TRUE(nodes[0].transport->write(remote, 0, Bytes(bytes).first(100), 1000));
  ASSERT_TRUE(nodes[0].transport->flush(1, 1001));
  ASSERT_TRUE(nodes[0].transport->send(1, 1, {}));
  ASSERT_TRUE(drive_until(
      [&] { return nodes[0].of(1001) && nodes[1].count(CompletionKind::kMessage) == 1; }));
  for (OperationId write = 1; write <= kWrites; ++write) {
    ASSERT_TRUE(nodes[0].transport->write(remote, 0, bytes, write));
  }
  while (nodes[0].poll()) {  // a transport that writes at once has
  }
  const auto done = [&] { return nodes[0].count(CompletionKind::kWriteDone) - 1; };
  const std::size_t done_before = done();
  ASSERT_TRUE(nodes[0].transport->send(1, 2, pattern(200, 2)));
  ASSERT_TRUE(drive_until([&] { return nodes[1].count(CompletionKind::kMessage) == 2; }));
  // Of 256 MiB of writes, few were in front of it.
  EXPECT_LE(done() - done_before, kWrites / 4);
  ASSERT_TRUE(nodes[0].transport->flush(1, 1002));
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(1002) && done() == kWrites; }));
}

TEST_P(TransportContract, WhatARestartedNodesOldProcessSendsIsDropped) {
  open_cluster(2);
  const auto [old_region, old_remote] = grant(1, 0, 1000);
  ASSERT_TRUE(nodes[1].transport->send(0, 1, {}));
  ASSERT_TRUE(drive_until([&] { return nodes[0].count(CompletionKind::kMessage) == 1; }));
  // This one is here, but was not taken yet, when the new process takes the place.
  ASSERT_TRUE(nodes[1].transport->send(0, 2, {}, 1));
  ASSERT_TRUE(nodes[1].transport->flush(0, 2));
  std::vector<Completion> none;
  ASSERT_TRUE(drive({&nodes[1]}, [&] {
    (void)nodes[0].transport->poll(none);
    return nodes[1].of(1) && nodes[1].of(2);
  }));

  nodes.push_back(open_node(GetParam().name, 1));
  ASSERT_TRUE(nodes[0].transport->connect(1, nodes[2].transport->address()));
  ASSERT_TRUE(nodes[2].transport->connect(0, nodes[0].transport->address()));
  // The old one lives on, and does not know.
  ASSERT_TRUE(nodes[1].transport->send(0, 3, pattern(2 << 20, 3)));
  ASSERT_TRUE(nodes[1].transport->send(0, 4, {}));
  const auto [region, remote] = grant(2, 0, 1000);
  const auto bytes = pattern(1000, 1);
  ASSERT_TRUE(nodes[0].transport->write(remote, 0, bytes, 5));
  ASSERT_TRUE(nodes[0].transport->flush(1, 6));
  EXPECT_EQ(nodes[0].transport->write(old_remote, 0, bytes, 7).error().code,
            ErrorCode::kUnavailable);
  for (std::uint16_t type = 10; type < 60; ++type) {
    ASSERT_TRUE(nodes[2].transport->send(0, type, {}));
    ASSERT_TRUE(drive_until([&] { return nodes[0].messages().back()->type == type; }));
  }
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(5) && nodes[0].of(6); }));
  EXPECT_TRUE(nodes[0].of(6)->status);
  EXPECT_EQ(nodes[0].count(CompletionKind::kMessage), 51U);
  EXPECT_EQ(std::memcmp(region.data, bytes.data(), bytes.size()), 0);
  EXPECT_EQ(old_region.data[999], std::byte{0});
  EXPECT_EQ(nodes[0].count(CompletionKind::kPeerLost), 0U);
}

TEST_P(TransportContract, TwoWritersShareARegion) {
  open_cluster(3);
  const auto region = nodes[2].transport->allocate(200000, MemoryKind::kHost);
  ASSERT_TRUE(region);
  const auto key = nodes[2].transport->export_region(*region);
  ASSERT_TRUE(key);
  for (NodeId writer = 0; writer < 2; ++writer) {
    const auto remote = nodes[writer].transport->import_region(2, *key);
    ASSERT_TRUE(remote);
    const auto bytes = pattern(100000, writer);
    ASSERT_TRUE(nodes[writer].transport->write(*remote, writer * 100000, bytes, 1));
    ASSERT_TRUE(nodes[writer].transport->flush(2, 2));
    ASSERT_TRUE(drive_until([&] { return nodes[writer].of(1) && nodes[writer].of(2); }));
    EXPECT_EQ(std::memcmp(region->data + writer * 100000, bytes.data(), bytes.size()), 0);
  }
}

TEST_P(TransportContract, AWriteThatLeavesItsRegionIsRefused) {
  open_cluster(2);
  const auto [region, remote] = grant(1, 0, 1000);
  const auto bytes = pattern(remote.bytes + 1, 1);
  const Bytes source(bytes);
  Transport& transport = *nodes[0].transport;
  const auto code = [&](std::size_t offset, Bytes part) {
    const Status status = transport.write(remote, offset, part, 1);
    return status ? ErrorCode::kInternal : status.error().code;
  };
  EXPECT_EQ(code(0, source), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(1, source.first(remote.bytes)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(remote.bytes, source.first(1)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(remote.bytes + 1, {}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(SIZE_MAX, source.first(2)), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(transport.write(remote, 0, source.first(remote.bytes), 2));
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(2) != nullptr; }));
  EXPECT_EQ(nodes[0].of(1), nullptr);
}

TEST_P(TransportContract, DamagedKeysAndForgottenRegionsAreRefused) {
  open_cluster(2);
  const auto region = nodes[1].transport->allocate(1000, MemoryKind::kHost);
  ASSERT_TRUE(region);
  auto key = *nodes[1].transport->export_region(*region);
  const auto remote = nodes[0].transport->import_region(1, key);
  ASSERT_TRUE(remote);
  const auto again = nodes[0].transport->import_region(1, key);
  ASSERT_TRUE(again);
  nodes[0].transport->forget_region(*remote);
  const auto bytes = pattern(10, 1);
  EXPECT_EQ(nodes[0].transport->write(*remote, 0, bytes, 1).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(nodes[0].transport->write(*again, 0, bytes, 2));
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(2) != nullptr; }));

  EXPECT_EQ(nodes[0].transport->import_region(1, {}).error().code, ErrorCode::kInvalidArgument);
  key.pop_back();
  EXPECT_EQ(nodes[0].transport->import_region(1, key).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(
      nodes[0].transport->export_region(Region{nullptr, 10, 999, MemoryKind::kHost}).error().code,
      ErrorCode::kNotFound);
}

TEST_P(TransportContract, ThousandsOfSmallOperationsAllComplete) {
  open_cluster(2);
  constexpr std::size_t kCount = 4000;
  const auto [region, remote] = grant(1, 0, kCount * sizeof(std::uint32_t));
  std::vector<std::uint32_t> values(kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) {
    values[i] = i * 7 + 1;
    const Bytes source = std::as_bytes(std::span(&values[i], 1));
    ASSERT_TRUE(nodes[0].transport->write(remote, i * sizeof(std::uint32_t), source, i + 1));
    ASSERT_TRUE(nodes[0].transport->send(1, 1, source));
    ASSERT_TRUE(nodes[1].transport->send(0, 2, source));
  }
  ASSERT_TRUE(nodes[0].transport->flush(1, kCount + 1));
  ASSERT_TRUE(drive_until(
      [&] { return nodes[0].seen.size() == 2 * kCount + 1 && nodes[1].seen.size() == kCount; }));
  EXPECT_EQ(std::memcmp(region.data, values.data(), kCount * sizeof(std::uint32_t)), 0);
  std::uint64_t sum = 0;
  for (const Completion* message : nodes[1].messages()) {
    std::uint32_t value = 0;
    ASSERT_EQ(message->payload.size(), sizeof(value));
    std::memcpy(&value, message->payload.data(), sizeof(value));
    sum += value;
  }
  EXPECT_EQ(sum, std::uint64_t{kCount} * (kCount - 1) / 2 * 7 + kCount);
}

TEST_P(TransportContract, OperationZeroIsSilentOnSuccess) {
  open_cluster(2);
  const auto [region, remote] = grant(1, 0, 1000);
  const auto bytes = pattern(1000, 1);
  ASSERT_TRUE(nodes[0].transport->write(remote, 0, bytes, 0));
  ASSERT_TRUE(nodes[0].transport->flush(1, 0));
  ASSERT_TRUE(nodes[0].transport->send(1, 1, bytes, 0));
  ASSERT_TRUE(nodes[0].transport->flush(1, 9));
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(9) != nullptr; }));
  EXPECT_EQ(nodes[0].seen.size(), 1U);
}

TEST_P(TransportContract, WithoutAConnectionThingsAreUnavailable) {
  open_cluster(2);
  const auto bytes = pattern(10, 1);
  EXPECT_EQ(nodes[0].transport->send(5, 1, bytes).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(nodes[0].transport->flush(5, 1).error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(nodes[0].transport->describe(5).empty());
  nodes[0].transport->close(5);
}

TEST_P(TransportContract, ClosingEndsAConnectionAndConnectingAgainMakesANewOne) {
  open_cluster(2);
  const auto [region, remote] = grant(1, 0, 1000);
  const auto bytes = pattern(1000, 1);
  ASSERT_TRUE(nodes[0].transport->write(remote, 0, bytes, 1));
  ASSERT_TRUE(nodes[0].transport->flush(1, 2));
  ASSERT_TRUE(drive_until([&] { return nodes[0].of(1) && nodes[0].of(2); }));
  nodes[0].transport->close(1);
  EXPECT_EQ(nodes[0].transport->send(1, 1, bytes).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(nodes[0].transport->write(remote, 0, bytes, 3).error().code, ErrorCode::kUnavailable);
  // The other side notices, and cuts what was left; a connection made before that may go with it.
  int turns = 0;
  ASSERT_TRUE(drive_until([&] { return ++turns > 50; }));
  // The one who closed is not told of a loss.
  EXPECT_EQ(nodes[0].count(CompletionKind::kPeerLost), 0U);

  ASSERT_TRUE(nodes[0].transport->connect(1, nodes[1].transport->address()));
  // A region belongs to the connection it was imported over.
  EXPECT_EQ(nodes[0].transport->write(remote, 0, bytes, 4).error().code, ErrorCode::kUnavailable);
  const auto key = nodes[1].transport->export_region(region);
  ASSERT_TRUE(key);
  const auto renewed = nodes[0].transport->import_region(1, *key);
  ASSERT_TRUE(renewed);
  const auto other = pattern(1000, 2);
  ASSERT_TRUE(nodes[0].transport->write(*renewed, 0, other, 5));
  ASSERT_TRUE(nodes[0].transport->flush(1, 6));
  ASSERT_TRUE(nodes[0].transport->send(1, 7, other));
  ASSERT_TRUE(drive_until([&] {
    return nodes[0].of(5) && nodes[0].of(6) && nodes[1].count(CompletionKind::kMessage) == 1;
  }));
  EXPECT_EQ(std::memcmp(region.data, other.data(), other.size()), 0);
}

TEST_P(TransportContract, DescribesAConnectionInUse) {
  open_cluster(2);
  ASSERT_TRUE(nodes[0].transport->send(1, 1, pattern(10, 1)));
  ASSERT_TRUE(drive_until([&] { return nodes[1].count(CompletionKind::kMessage) == 1; }));
  EXPECT_FALSE(nodes[0].transport->describe(1).empty());
  EXPECT_NE(nodes[0].transport->describe(1), nodes[0].transport->describe(5));
}

TEST_P(TransportContract, WakeEndsAWaitOfAnotherThread) {
  Node node = open_node(GetParam().name, 0);
  std::vector<Completion> none(1);
  while (node.transport->poll(none) != 0) {
  }
  const auto start = std::chrono::steady_clock::now();
  std::thread waker([&] { node.transport->wake(); });
  // A transport may wake for its own reasons; only many such waits would be the full hour.
  node.transport->wait(std::chrono::hours(1));
  waker.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

TEST_P(TransportContract, AWakeBeforeAWaitIsNotLost) {
  Node node = open_node(GetParam().name, 0);
  node.transport->wake();
  node.transport->wake();
  const auto start = std::chrono::steady_clock::now();
  node.transport->wait(std::chrono::hours(1));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

TEST_P(TransportContract, AMessageEndsAWait) {
  open_cluster(2);
  // Wired up first, so that the wait below is about the message alone.
  ASSERT_TRUE(nodes[0].transport->send(1, 1, {}));
  ASSERT_TRUE(nodes[1].transport->send(0, 1, {}));
  ASSERT_TRUE(drive_until([&] { return !nodes[0].seen.empty() && !nodes[1].seen.empty(); }));
  const std::size_t before = nodes[1].seen.size();
  std::thread sender([&] {
    const auto payload = pattern(100, 2);
    EXPECT_TRUE(nodes[0].transport->send(1, 2, payload, 77));
    drive({&nodes[0]}, [&] { return nodes[0].of(77) != nullptr; });
  });
  const auto start = std::chrono::steady_clock::now();
  while (nodes[1].seen.size() == before) {
    nodes[1].transport->wait(std::chrono::hours(1));
    nodes[1].poll();
  }
  sender.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(1));
}

INSTANTIATE_TEST_SUITE_P(Table, TransportContract,
                         testing::ValuesIn(transport_table().begin(), transport_table().end()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(TransportTable, HasTheTransportsOfThisBuild) {
  std::vector<std::string> names;
  for (const TransportRow& row : transport_table()) names.emplace_back(row.name);
  EXPECT_EQ(names, (std::vector<std::string>{"ucx", "loopback", "sim"}));
}

TEST(TransportTable, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  const auto opened = open_transport("carrier-pigeon", TransportOptions{});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_NE(opened.error().message.find("loopback"), std::string::npos);
}

}  // namespace
}  // namespace sluice::comm
