// SPDX-License-Identifier: Apache-2.0
// Open MPI's settings for a program that uses MPI for one exchange at the start. They keep UCX out
// of MPI: a second user in the process competes for memory hooks, devices and threads.
#pragma once

#include <span>

#include "comm/environment.hpp"

namespace sluice::comm {

inline constexpr EnvironmentDefault kMpiEnvironmentDefaults[] = {
    {"OMPI_MCA_pml", "ob1"},                // not ucx
    {"OMPI_MCA_btl", "self,vader,tcp"},     // not uct
    {"OMPI_MCA_osc", "^ucx"},               // one-sided operations are not used
    {"OMPI_MCA_mpi_yield_when_idle", "1"},  // ranks share cores
};

inline std::span<const EnvironmentDefault> mpi_environment_defaults() {
  return kMpiEnvironmentDefaults;
}

}  // namespace sluice::comm
