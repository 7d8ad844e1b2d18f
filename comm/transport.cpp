// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.hpp"

namespace sluice::comm {

std::int64_t Transport::now_us() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string Transport::describe(NodeId peer) const {
  std::string joined;
  for (const std::string& lane : lanes(peer)) {
    if (!joined.empty()) joined += ", ";
    joined += lane;
  }
  return joined.empty() ? "not connected" : joined;
}

}  // namespace sluice::comm
