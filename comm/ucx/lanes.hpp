// SPDX-License-Identifier: Apache-2.0
// What UCX chose for an endpoint, from what it prints: there is no call for it in UCX 1.13. Private
// to the folder.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::comm::ucx {

// The transports of the lanes in the text of ucp_ep_print_info(): "posix/memory", in order.
std::vector<std::string> parse_lanes(std::string_view printed);

// Whether writes over these lanes need nothing of the receiving process. Otherwise (TCP, datagrams)
// UCX would have the receiver land them by messages, and so do we.
bool lands_by_itself(std::span<const std::string> lanes);

// What a context's resources ("tcp/eth0") give, of what lets a peer's writes land by themselves.
struct WayKinds {
  bool shared_memory = false;
  bool rdma = false;
};
WayKinds way_kinds(std::span<const std::string> resources);

// The transports among the resources that messages go by, as UCX_TLS takes them: all that carry
// messages without shared memory; empty where none reaches another process.
std::string control_transports(std::span<const std::string> resources);

}  // namespace sluice::comm::ucx
