// SPDX-License-Identifier: Apache-2.0
// The transport inside one process: for tests, and for running a whole cluster in threads.
//
// A write is a copy made at once by the writer's thread, so flushes have nothing to wait for.
// Destroying a transport is its death: every peer that connected to it gets kPeerLost.
#pragma once

#include <memory>

#include "comm/registry.hpp"

namespace sluice::comm::loopback {

// Who can reach whom. Transports keep their hub alive; any thread may open transports on it.
class Hub;
std::shared_ptr<Hub> make_hub();

// On the process's own hub.
Result<std::unique_ptr<Transport>> open_loopback(const TransportOptions& options);
Result<std::unique_ptr<Transport>> open_loopback_on(std::shared_ptr<Hub> hub,
                                                    const TransportOptions& options);

}  // namespace sluice::comm::loopback
