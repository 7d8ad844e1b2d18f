// SPDX-License-Identifier: Apache-2.0
#include "comm/bootstrap/bootstrap.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "comm/bootstrap/environment.hpp"

namespace sluice::comm {
namespace {

TEST(LocalBootstrap, EveryRankGetsEverybodysBytesInRankOrder) {
  auto bootstraps = open_local_bootstraps(3);
  ASSERT_EQ(bootstraps.size(), 3U);
  std::vector<std::thread> threads;
  for (NodeId rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(bootstraps[rank]->rank(), rank);
    EXPECT_EQ(bootstraps[rank]->ranks(), 3U);
    threads.emplace_back([&, rank] {
      const std::string mine(rank * 1000, static_cast<char>('a' + rank));
      const auto given = bootstraps[rank]->exchange(as_bytes(mine));
      ASSERT_TRUE(given);
      ASSERT_EQ(given->size(), 3U);
      for (NodeId other = 0; other < 3; ++other) {
        ASSERT_EQ((*given)[other].size(), other * 1000);
        for (const std::byte byte : (*given)[other]) {
          ASSERT_EQ(byte, static_cast<std::byte>('a' + other));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bootstraps[0]->exchange({}).error().code, ErrorCode::kInvalidArgument);
}

TEST(MpiEnvironment, KeepsUcxOutOfMpi) {
  std::string pml;
  for (const auto& [name, value] : mpi_environment_defaults()) {
    if (std::string(name) == "OMPI_MCA_pml") pml = value;
  }
  EXPECT_EQ(pml, "ob1");
}

}  // namespace
}  // namespace sluice::comm
