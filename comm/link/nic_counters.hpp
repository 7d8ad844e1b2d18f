// SPDX-License-Identifier: Apache-2.0
// The counters that the kernel keeps for network cards, Ethernet and InfiniBand.
#pragma once

#include <filesystem>
#include <string>

#include "comm/link/link_meter.hpp"
#include "kernels/core/result.hpp"

namespace sluice::comm {

// One card of this host, found by the name of its lane.
class NicCounters {
 public:
  // `lane`: "tcp/eth0" or "rc_mlx5/mlx5_0:1", as Transport::lanes() says. kNotFound: not a network
  // card's (shared memory, CUDA), or not of this host. `sysfs`: for tests.
  static Result<NicCounters> open(const std::string& lane,
                                  const std::filesystem::path& sysfs = "/sys");
  // Some microseconds. kUnavailable: the card is gone.
  Result<NicSample> read() const;
  const std::string& device() const { return device_; }  // "eth0", "mlx5_0:1"

 private:
  std::string device_;
  std::string sent_;  // paths
  std::string received_;
  double speed_bytes_per_s_ = 0.0;
  std::uint64_t unit_bytes_ = 1;  // InfiniBand counts words of four bytes
};

}  // namespace sluice::comm
