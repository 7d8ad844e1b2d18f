// SPDX-License-Identifier: Apache-2.0
// Nodes of a simulated world, all connected to all, and what each has been told.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "comm/sim/sim.hpp"

namespace sluice::comm::sim {

class SimNodes {
 public:
  SimNodes(const WorldOptions& options, NodeId count) : world(make_world(options)) {
    for (NodeId self = 0; self < count; ++self) {
      transports.push_back(*open_sim_on(world, TransportOptions{.self = self}));
    }
    seen.resize(count);
    for (const auto& from : transports) {
      for (const auto& to : transports) {
        if (from == to) continue;
        EXPECT_TRUE(from->connect(to->self(), to->address()).has_value());
      }
    }
  }

  // A region of `owner`, as `writer` may write to it.
  std::pair<Region, RemoteRegion> grant(NodeId owner, NodeId writer, std::size_t bytes) {
    const Region region = transports[owner]->allocate(bytes, MemoryKind::kHost).value();
    const auto key = transports[owner]->export_region(region).value();
    return {region, transports[writer]->import_region(owner, key).value()};
  }

  // Lets time pass until `is_done`; false when nothing more happens before.
  bool run(const std::function<bool()>& is_done) {
    while (!is_done()) {
      poll_all();
      if (is_done()) return true;
      if (!world->advance()) return false;
    }
    return true;
  }
  // Until nothing is on its way any more.
  void run_out() {
    run([] { return false; });
  }
  void poll_all() {
    std::vector<Completion> some(8);
    for (std::size_t node = 0; node < transports.size(); ++node) {
      while (transports[node] != nullptr) {
        const std::size_t count = transports[node]->poll(some);
        for (std::size_t i = 0; i < count; ++i) seen[node].push_back(std::move(some[i]));
        if (count == 0) break;
      }
    }
  }
  const Completion* find(NodeId node, CompletionKind kind) const {
    for (const Completion& completion : seen[node]) {
      if (completion.kind == kind) return &completion;
    }
    return nullptr;
  }
  std::size_t count(NodeId node, CompletionKind kind) const {
    std::size_t found = 0;
    for (const Completion& completion : seen[node]) found += completion.kind == kind ? 1 : 0;
    return found;
  }

  std::shared_ptr<World> world;
  std::vector<std::unique_ptr<Transport>> transports;
  std::vector<std::vector<Completion>> seen;
};

inline std::vector<std::byte> numbered(std::size_t bytes) {
  std::vector<std::byte> made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>(i * 31 + (i >> 8) + 1);
  return made;
}

}  // namespace sluice::comm::sim
