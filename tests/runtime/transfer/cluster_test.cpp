// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/cluster.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "comm/registry.hpp"

namespace sluice::runtime {
namespace {

ClusterConfig small_config() {
  ClusterConfig config;
  config.ranks = {Role::kRouter, Role::kPrefill, Role::kDecode};
  config.transport.backend = "loopback";
  config.prefill.send_memory_bytes = 1 << 16;
  config.decode.arena_memory_bytes = 1 << 16;
  return config;
}

// Joins with a rank a thread; `configs` and `requests` by rank.
std::vector<Result<Cluster>> join_all(const std::vector<Result<ClusterConfig>>& configs,
                                      const std::vector<JoinRequest>& requests) {
  auto bootstraps = comm::open_local_bootstraps(static_cast<comm::NodeId>(configs.size()));
  std::vector<Result<Cluster>> joined;
  for (std::size_t i = 0; i < configs.size(); ++i) joined.emplace_back(Error{});
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    threads.emplace_back(
        [&, i] { joined[i] = join_cluster(*bootstraps[i], configs[i], requests[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  return joined;
}

// Every rank has the same sentence, and it contains `part`.
void expect_refused(const std::vector<Result<Cluster>>& joined, const std::string& part) {
  for (const auto& cluster : joined) {
    ASSERT_FALSE(cluster.has_value());
    EXPECT_EQ(cluster.error().message, joined.front().error().message);
    EXPECT_NE(cluster.error().message.find(part), std::string::npos) << cluster.error().message;
  }
}

TEST(Cluster, EveryoneKnowsEveryone) {
  const auto joined = join_all({small_config(), small_config(), small_config()}, {{}, {}, {}});
  for (const auto& cluster : joined) ASSERT_TRUE(cluster.has_value()) << cluster.error().message;
  EXPECT_EQ(joined[0]->nodes_of(Role::kDecode), std::vector<comm::NodeId>{2});
  EXPECT_EQ(joined[1]->arenas.at(2).bytes, std::size_t{1} << 16);
  EXPECT_TRUE(joined[0]->arenas.empty());
  EXPECT_EQ(joined[2]->router, 0U);
}

TEST(Cluster, OneRanksTroubleIsEveryonesAndNamesTheRank) {
  const auto joined = join_all({small_config(), small_config(), small_config()},
                               {{}, {}, {0, "the weights are wet"}});
  expect_refused(joined, "rank 2 (decode): the weights are wet");
}

TEST(Cluster, AnArenaOnAGpuThatIsNotThereIsAnError) {
  ClusterConfig config = small_config();
  config.transport.memory = "cuda";
  expect_refused(join_all({config, config, config}, {{}, {}, {}}),
                 "rank 2 (decode): there is no memory for the arena (decode.arena_memory)");
}

TEST(Cluster, WhatIsWrongEverywhereIsSaidOnce) {
  const Result<ClusterConfig> bad = make_error(ErrorCode::kInvalidArgument, "line 3 is nonsense");
  const auto joined = join_all({bad, bad, bad}, {{}, {}, {}});
  expect_refused(joined, "line 3 is nonsense");
  EXPECT_EQ(joined[0].error().message, "line 3 is nonsense");
}

TEST(Cluster, TooFewRanks) {
  const auto joined = join_all({small_config(), small_config()}, {{}, {}});
  expect_refused(joined, "names 3 ranks and 2 were started");
}

TEST(Cluster, TooManyRanks) {
  const auto joined =
      join_all({small_config(), small_config(), small_config(), small_config()}, {{}, {}, {}, {}});
  expect_refused(joined, "names 3 ranks and 4 were started");
}

TEST(Cluster, AnotherModelOrConfigurationIsRefused) {
  expect_refused(
      join_all({small_config(), small_config(), small_config()}, {{1, ""}, {1, ""}, {2, ""}}),
      "rank 2 (decode) has another model than rank 0");
  expect_refused(join_all({small_config(), small_config(), small_config()},
                          {{1, "", 5, 6}, {1, "", 4, 6}, {1, "", 5, 6}}),
                 "rank 1 (prefill) has another pipeline than rank 0");
  expect_refused(join_all({small_config(), small_config(), small_config()},
                          {{1, "", 5, 6}, {1, "", 5, 6}, {1, "", 5, 0}}),
                 "rank 2 (decode) has another profile than rank 0");
  ClusterConfig other = small_config();
  other.model.context_tokens += 1;
  expect_refused(join_all({small_config(), other, small_config()}, {{}, {}, {}}),
                 "another configuration");
}

TEST(Cluster, NoMemoryForTheArenaIsSaidBeforeItIsTouched) {
  ClusterConfig config = small_config();
  config.decode.arena_memory_bytes = std::size_t{1} << 50;
  expect_refused(join_all({config, config, config}, {{}, {}, {}}),
                 "there is no memory for the arena (decode.arena_memory)");
}

// A cluster as a prefill worker sees it, and what a newcomer for its decode rank would say.
class Admit : public ::testing::Test {
 protected:
  Admit() {
    auto joined = join_all({small_config(), small_config(), small_config()},
                           {{7, "", 5, 6}, {7, "", 5, 6}, {7, "", 5, 6}});
    for (auto& cluster : joined) clusters_.push_back(std::move(*cluster));
    transport_ = comm::open_transport("loopback", {.self = 2}).value();
    const auto region = transport_->allocate(8192, comm::MemoryKind::kHost).value();
    hello_ = prefill().hellos[2];
    hello_.incarnation = 2;
    hello_.address = transport_->address();
    hello_.arena_key = transport_->export_region(region).value();
  }

  Cluster& prefill() { return clusters_[1]; }
  void expect_refusal(comm::NodeId node, const Hello& hello, const std::string& part) {
    const Status admitted = prefill().admit(node, hello);
    ASSERT_FALSE(admitted);
    EXPECT_EQ(admitted.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(admitted.error().message.find(part), std::string::npos) << admitted.error().message;
    EXPECT_EQ(prefill().hellos[2].incarnation, 1U);
    EXPECT_EQ(prefill().arenas.at(2).bytes, std::size_t{1} << 16);
  }

  std::vector<Cluster> clusters_;
  std::unique_ptr<comm::Transport> transport_;
  Hello hello_;
};

TEST_F(Admit, AnotherProcessBehindARank) {
  ASSERT_TRUE(prefill().admit(2, hello_));
  EXPECT_EQ(prefill().hellos[2].incarnation, 2U);
  EXPECT_EQ(prefill().arenas.at(2).bytes, 8192U);
  ASSERT_TRUE(prefill().transport->send(2, 5, {}));
  std::vector<comm::Completion> got(4);
  EXPECT_EQ(transport_->poll(got), 1U);
  ASSERT_TRUE(clusters_[0].admit(2, hello_));
  EXPECT_TRUE(clusters_[0].arenas.empty());  // a router writes nowhere
}

TEST_F(Admit, AnotherProcessMayHaveTheOtherRole) {
  hello_.role = Role::kPrefill;
  ASSERT_TRUE(prefill().admit(2, hello_));
  EXPECT_EQ(prefill().hellos[2].role, Role::kPrefill);
  EXPECT_TRUE(prefill().arenas.empty());
}

TEST_F(Admit, WhatDoesNotFitIsRefusedInWordsAndChangesNothing) {
  const auto with = [&](auto change) {
    Hello hello = hello_;
    change(hello);
    return hello;
  };
  expect_refusal(3, hello_, "rank 3 names a rank that is not in the configuration");
  expect_refusal(0, hello_, "is no worker");
  expect_refusal(1, hello_, "is no worker");  // itself
  expect_refusal(2, with([](Hello& h) { h.role = Role::kRouter; }), "is a second router");
  expect_refusal(2, with([](Hello& h) { h.incarnation = 1; }), "is older");
  expect_refusal(2, with([](Hello& h) { h.error = "no disk"; }), "cannot serve: no disk");
  expect_refusal(2, with([](Hello& h) { h.protocol_version = 1; }), "another program version");
  expect_refusal(2, with([](Hello& h) { h.model_fingerprint = 1; }), "another model");
  expect_refusal(2, with([](Hello& h) { h.config_hash = 1; }), "another configuration");
  expect_refusal(2, with([](Hello& h) { h.pipeline_hash = 1; }), "another pipeline");
  expect_refusal(2, with([](Hello& h) { h.profile_hash = 1; }), "another profile");
  expect_refusal(2, with([](Hello& h) { h.address = {}; }), "not a loopback address");
}

}  // namespace
}  // namespace sluice::runtime
