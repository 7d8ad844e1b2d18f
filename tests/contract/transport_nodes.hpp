// SPDX-License-Identifier: Apache-2.0
// Nodes of a small cluster in one thread: each a transport and what it has reported so far.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "comm/registry.hpp"

namespace sluice::comm {

// For the names of instantiated tests.
inline void PrintTo(const TransportRow& row, std::ostream* stream) { *stream << row.name; }

struct Node {
  std::unique_ptr<Transport> transport;
  std::vector<Completion> seen;

  // Moves what there is into `seen`; returns whether there was anything.
  bool poll() {
    std::vector<Completion> some(16);
    const std::size_t count = transport->poll(some);
    for (std::size_t i = 0; i < count; ++i) seen.push_back(std::move(some[i]));
    return count != 0;
  }
  std::size_t count(CompletionKind kind) const {
    std::size_t found = 0;
    for (const Completion& completion : seen) found += completion.kind == kind ? 1 : 0;
    return found;
  }
  // The completion of an operation, or null.
  const Completion* of(OperationId operation) const {
    for (const Completion& completion : seen) {
      if (completion.operation == operation && completion.kind != CompletionKind::kMessage) {
        return &completion;
      }
    }
    return nullptr;
  }
  std::vector<const Completion*> messages() const {
    std::vector<const Completion*> found;
    for (const Completion& completion : seen) {
      if (completion.kind == CompletionKind::kMessage) found.push_back(&completion);
    }
    return found;
  }
};

inline Node open_node(std::string_view transport, NodeId self) {
  auto opened = open_transport(transport, TransportOptions{.self = self});
  EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
  return Node{opened ? *std::move(opened) : nullptr, {}};
}

// Polls every node until `is_done`. The limit only ends a test that has failed already.
inline bool drive(const std::vector<Node*>& nodes, const std::function<bool()>& is_done,
                  std::chrono::seconds limit = std::chrono::seconds(60)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!is_done()) {
    bool had_something = false;
    for (Node* node : nodes) had_something |= node->poll();
    if (had_something) continue;
    if (std::chrono::steady_clock::now() > end) return false;
    nodes.front()->transport->wait(std::chrono::milliseconds(1));
  }
  return true;
}

// Bytes that differ from place to place and from seed to seed.
inline std::vector<std::byte> pattern(std::size_t bytes, std::uint32_t seed) {
  std::vector<std::byte> made(bytes);
  std::uint32_t state = seed * 2654435761U + 1;
  for (std::byte& byte : made) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return made;
}

}  // namespace sluice::comm
