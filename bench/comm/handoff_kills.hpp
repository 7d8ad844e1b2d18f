// SPDX-License-Identifier: Apache-2.0
// Handoffs between processes of which one dies now and then, at any moment.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace sluice::bench {

struct KillOptions {
  std::string transport = "ucx";
  std::int64_t handoffs = 0;
  std::int64_t deaths = 0;
  std::uint32_t senders = 2;
  std::uint64_t seed = 1;
};

// Senders hand off to one receiver, of every size, while a random side is killed (SIGKILL) again
// and again and another process takes its place under a higher incarnation. What was under way then
// is begun anew under another number, until all are complete. The report: bytes checked and wrong,
// what is still held when all is quiet, and how long after each death the others had everything of
// it back. Must be called before this process has opened a transport: it forks.
nlohmann::json run_kills(const KillOptions& options);

}  // namespace sluice::bench
