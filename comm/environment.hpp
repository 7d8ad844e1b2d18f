// SPDX-License-Identifier: Apache-2.0
// What libraries below comm/ read from the environment and cannot be told otherwise. The program's
// main sets these before it starts a transport or MPI, where the user has not.
#pragma once

namespace sluice::comm {

struct EnvironmentDefault {
  const char* name;
  const char* value;
};

}  // namespace sluice::comm
