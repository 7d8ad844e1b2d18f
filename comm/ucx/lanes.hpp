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

}  // namespace sluice::comm::ucx
