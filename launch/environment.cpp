// SPDX-License-Identifier: Apache-2.0
#include "launch/environment.hpp"

#include <unistd.h>

#include <cstdlib>

#include "comm/bootstrap/environment.hpp"
#include "comm/ucx/environment.hpp"

namespace sluice::launch {
namespace {

// A worker thread of OpenMP spins this long for more work before it sleeps. The library's own
// value is milliseconds: longer than a handoff, on a core that another worker needs.
constexpr const char* kOpenMpSpin = "20000";

bool set_default(const char* name, const char* value) {
  if (std::getenv(name) != nullptr) return false;
  return setenv(name, value, 0) == 0;
}

}  // namespace

void apply_environment_defaults(char** argv) {
  bool changed = set_default("GOMP_SPINCOUNT", kOpenMpSpin);
  for (const auto& [name, value] : comm::ucx_environment_defaults()) {
    changed = set_default(name, value) || changed;
  }
  for (const auto& [name, value] : comm::mpi_environment_defaults()) {
    changed = set_default(name, value) || changed;
  }
  if (!changed) return;
  // Returns only on failure; then the program goes on with the libraries' own defaults.
  execv("/proc/self/exe", argv);
}

}  // namespace sluice::launch
