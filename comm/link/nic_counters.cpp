// SPDX-License-Identifier: Apache-2.0
#include "comm/link/nic_counters.hpp"

namespace sluice::comm {

Result<NicCounters> NicCounters::open(const std::string& lane, const std::filesystem::path&) {
  return make_error(ErrorCode::kNotFound, lane + " is no network card of this host");
}

Result<NicSample> NicCounters::read() const {
  return make_error(ErrorCode::kUnavailable, "the network card " + device_ + " is gone");
}

}  // namespace sluice::comm
