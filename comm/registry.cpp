// SPDX-License-Identifier: Apache-2.0
#include "comm/registry.hpp"

#include <string>

#include "comm/loopback/loopback.hpp"
#include "comm/sim/sim.hpp"
#ifdef SLUICE_HAS_UCX
#include "comm/ucx/ucx_transport.hpp"
#endif

namespace sluice::comm {
namespace {

constexpr TransportRow kTransports[] = {
#ifdef SLUICE_HAS_UCX
    {"ucx", &ucx::open_ucx},
#endif
    {"loopback", &loopback::open_loopback},
    {"sim", &sim::open_sim},
};

}  // namespace

std::span<const TransportRow> transport_table() { return kTransports; }

Result<std::unique_ptr<Transport>> open_transport(std::string_view name,
                                                  const TransportOptions& options) {
  std::string names;
  for (const TransportRow& row : kTransports) {
    if (row.name == name) return row.open(options);
    names += (names.empty() ? "" : ", ") + std::string(row.name);
  }
  return make_error(ErrorCode::kNotFound,
                    "no transport is called \"" + std::string(name) + "\"; there are: " + names);
}

}  // namespace sluice::comm
