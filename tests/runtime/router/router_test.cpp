// SPDX-License-Identifier: Apache-2.0
// The router and its workers, which the test plays, in virtual time.
#include "runtime/router/router.hpp"

#include <gtest/gtest.h>

#include "tests/runtime/router/router_placed.hpp"

namespace sluice::runtime {
namespace {

using RouterWorkers = RouterPlaced;

TEST_F(RouterWorkers, OnAWorkerThatHasJoined) {
  const Hello too_early = workers.start_again(3);
  EXPECT_EQ(workers.router->take_join(3, too_early).error().message,
            "rank 3 (decode) is alive and answers: end that process first");
}

TEST_F(RouterWorkers, OnAWorkerThatHasJoinedOnceItIsReady) {
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  Hello other_model = workers.start_again(3);
  other_model.model_fingerprint = 1;
  EXPECT_NE(workers.router->take_join(3, other_model).error().message.find("another model"),
            std::string::npos);
  const auto answer = workers.router->take_join(3, workers.start_again(3));
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->incarnation, 2U);
  EXPECT_EQ(answer->hellos.size(), 5U);
  workers.run_for(5 * kMillisecond);
  for (const comm::NodeId other : {1U, 2U, 4U}) {
    EXPECT_EQ(workers.count(other, MessageType::kJoined), 1U) << other;
  }
  EXPECT_EQ(workers.count(3, MessageType::kJoined), 0U);
  const auto before = workers.submit();
  EXPECT_EQ(placed().second.decode_node, 4U);
  workers.say_ready(3);
  workers.run_for(5 * kMillisecond);
  const auto after = workers.submit();
  EXPECT_EQ(placed().second.decode_node, 3U);
  workers.kill(3);
  workers.run_for(100 * kMillisecond);
  EXPECT_EQ(workers.router->take_join(3, workers.start_again(3))->incarnation, 3U);
}

TEST_F(RouterWorkers, NobodyIsLostWhenItStops) {
  const auto stream = workers.submit();
  (void)placed();
  workers.router->stop();
  workers.run_for(5 * kMillisecond);
  expect_failed(*stream, ErrorCode::kCancelled, "cancelled");
  EXPECT_EQ(workers.router->take_join(3, {}).error().message, "the server is stopping");
  for (comm::NodeId node = 1; node < 5; ++node) {
    EXPECT_EQ(workers.count(node, MessageType::kShutdown), 1U);
    EXPECT_TRUE(workers.is_running);
    workers.say(node, MessageType::kGoodbye, GoodbyeMessage{node, 0});
  }
  workers.run_for(5 * kMillisecond);
  EXPECT_FALSE(workers.is_running);
  EXPECT_TRUE(workers.router->finish());
  EXPECT_EQ(workers.router->reports().size(), 4U);
}

}  // namespace
}  // namespace sluice::runtime
