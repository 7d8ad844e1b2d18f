// SPDX-License-Identifier: Apache-2.0
// The transport over UCX's UCP layer: RDMA, shared memory, CUDA copies or TCP, as UCX finds them.
#pragma once

#include <memory>

#include "comm/registry.hpp"

namespace sluice::comm::ucx {

// kUnavailable when UCX finds no usable transport.
Result<std::unique_ptr<Transport>> open_ucx(const TransportOptions& options);

}  // namespace sluice::comm::ucx
