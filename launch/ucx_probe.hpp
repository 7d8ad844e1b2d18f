// SPDX-License-Identifier: Apache-2.0
// UCX's report in doctor's words; its second source is for a build without UCX.
#pragma once

#include "launch/doctor_checks.hpp"

namespace sluice::launch {

UcxFacts probe_ucx();

}  // namespace sluice::launch
