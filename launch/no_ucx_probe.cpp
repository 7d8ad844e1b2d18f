// SPDX-License-Identifier: Apache-2.0
// For a build without UCX.
#include "launch/ucx_probe.hpp"

namespace sluice::launch {

UcxFacts probe_ucx() { return {}; }

}  // namespace sluice::launch
