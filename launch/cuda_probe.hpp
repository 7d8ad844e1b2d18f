// SPDX-License-Identifier: Apache-2.0
// What the NVIDIA driver says, without a link dependency on it: libcuda.so.1 is opened at run time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::launch {

struct CudaDevice {
  std::string name = {};
  std::uint64_t memory_bytes = 0;
  int capability_major = 0;
  int capability_minor = 0;
  bool dmabuf = false;  // the driver can hand its memory to a NIC as a dma-buf
};

struct CudaProbe {
  bool has_driver = false;   // libcuda.so.1 was found and started
  std::string failure = {};  // why not, or why there are no devices
  int driver_version = 0;    // 1000 * major + 10 * minor, as the driver gives it
  std::vector<CudaDevice> devices = {};
};

CudaProbe probe_cuda();

}  // namespace sluice::launch
