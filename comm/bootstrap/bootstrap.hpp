// SPDX-License-Identifier: Apache-2.0
// How the processes of one launch find each other: ranks, and one exchange of opaque bytes.
// MPI is used for this and nothing else; after exchange() no rank waits for another here.
#pragma once

#include <memory>
#include <vector>

#include "comm/transport.hpp"

namespace sluice::comm {

class Bootstrap {
 public:
  virtual ~Bootstrap() = default;
  virtual NodeId rank() const = 0;
  virtual NodeId ranks() const = 0;

  // Collective, once: every rank gives its bytes, and gets everybody's in rank order.
  virtual Result<std::vector<std::vector<std::byte>>> exchange(Bytes mine) = 0;
};

// True when this process was started by mpirun (or srun with PMI): looks, starts nothing.
bool started_by_mpi();

// Initialises MPI. Its destructor finalises without a barrier on the serving path.
Result<std::unique_ptr<Bootstrap>> open_mpi_bootstrap();

// `ranks` bootstraps for `ranks` threads of this process: for tests and benchmarks.
std::vector<std::unique_ptr<Bootstrap>> open_local_bootstraps(NodeId ranks);

}  // namespace sluice::comm
