// SPDX-License-Identifier: Apache-2.0
// The transports of this build, by name: one constant table, no static constructors.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "comm/transport.hpp"

namespace sluice::comm {

struct TransportOptions {
  NodeId self = 0;
  bool cuda = false;  // device memory will be registered
};

struct TransportRow {
  std::string_view name;
  Result<std::unique_ptr<Transport>> (*open)(const TransportOptions& options);
};

std::span<const TransportRow> transport_table();

// kNotFound names the transports there are.
Result<std::unique_ptr<Transport>> open_transport(std::string_view name,
                                                  const TransportOptions& options);

}  // namespace sluice::comm
