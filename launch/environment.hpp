// SPDX-License-Identifier: Apache-2.0
// The environment that the libraries under us read. The one place where variables are set.
#pragma once

namespace sluice::launch {

// Sets what is not set yet (a user's own value wins) and, since some libraries read theirs before
// main(), starts the program again once. Returns in the second run, or when nothing was missing.
void apply_environment_defaults(char** argv);

}  // namespace sluice::launch
