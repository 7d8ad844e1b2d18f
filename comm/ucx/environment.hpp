// SPDX-License-Identifier: Apache-2.0
// UCX's settings that only its environment carries. All others are set by the transport itself:
// shared memory under peer error handling (UCX_MM_ERROR_HANDLING=y) and a keepalive of one second.
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
