// SPDX-License-Identifier: Apache-2.0
// What UCX this process has, and what that UCX can use on this machine: for `sluice doctor`.
#pragma once

#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::comm::ucx {

struct UcxReport {
  std::string compiled_version;  // of the headers: "1.13"
  std::string loaded_version;    // of the library in this process: "1.13.1"
  // The loaded library is older than the headers, or of another major version.
  bool is_mismatched = false;
  std::string library_path;            // of the loaded libucp
  std::vector<std::string> copies;     // every libucp file mapped into this process: should be one
  std::vector<std::string> resources;  // "TRANSPORT/DEVICE" as UCX would use them: "tcp/eth0"
  bool has_rdma = false;
  bool has_cuda = false;      // can move device memory
  bool has_gdr_copy = false;  // fast small copies from device memory
  bool has_shared_memory = false;
  bool has_cma = false;
  bool has_tcp = false;
};

// Starts UCX for a moment, with this process's UCX settings.
Result<UcxReport> make_ucx_report();

}  // namespace sluice::comm::ucx
