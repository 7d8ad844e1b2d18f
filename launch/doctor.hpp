// SPDX-License-Identifier: Apache-2.0
// `sluice doctor`: what this machine has for serving and, for each thing missing, what is lost and
// how to get it.
#pragma once

#include <iosfwd>

namespace sluice::launch {

// Looks at this machine and this process, and prints. Gives the exit status: 0, or 1 when something
// makes serving impossible.
int run_doctor(std::ostream& out);

}  // namespace sluice::launch
