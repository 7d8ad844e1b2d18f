// SPDX-License-Identifier: Apache-2.0
#include "launch/network_probe.hpp"

#include <gtest/gtest.h>

namespace sluice::launch {
namespace {

// On any machine: what UCX says fits together, and each port has a name and a state.
TEST(ProbeNetwork, SaysWhatThisMachineHas) {
  const NetworkFacts facts = probe_network();
  if (facts.ucx.is_built_in && facts.ucx.failure.empty()) {
    EXPECT_FALSE(facts.ucx.version.empty());
    EXPECT_FALSE(facts.ucx.resources.empty());
  }
  for (const InfinibandPort& port : facts.infiniband) {
    EXPECT_NE(port.name.find(" port "), std::string::npos);
    EXPECT_FALSE(port.state.empty());
  }
}

}  // namespace
}  // namespace sluice::launch
