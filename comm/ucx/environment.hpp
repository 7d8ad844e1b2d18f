// SPDX-License-Identifier: Apache-2.0
// UCX's settings that only its environment carries. All others are set by the transport itself,
// where the environment does not say otherwise: shared memory under peer error handling
// (UCX_MM_ERROR_HANDLING=y), a keepalive of one second (UCX_KEEPALIVE_INTERVAL=1s), two rails for
// writes (UCX_MAX_RMA_RAILS=2), a GPU's own NICs (UCX_MAX_HCA_PER_GPU=auto).
#pragma once

#include <span>

#include "comm/environment.hpp"

namespace sluice::comm {

inline constexpr EnvironmentDefault kUcxEnvironmentDefaults[] = {
    // UCX's own is the standard output, which belongs to the user's tokens and JSON.
    {"UCX_LOG_FILE", "stderr"},
};

inline std::span<const EnvironmentDefault> ucx_environment_defaults() {
  return kUcxEnvironmentDefaults;
}

}  // namespace sluice::comm
