// SPDX-License-Identifier: Apache-2.0
// rANS of a plane whose symbols are in a device's memory, with the words of rans_coder.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/device_queue.hpp"
#include "kernels/core/result.hpp"
#include "kernels/stages/entropy/rans/rans_coder.hpp"

namespace sluice::kernels {

// Both wait for the queue.
Result<RansWords> rans_encode_on(DeviceQueue& queue, const RansProblem& problem,
                                 const std::uint8_t* symbols);
// kCorrupt as rans_decode()'s false. The blocks' words are of the host.
Status rans_decode_on(DeviceQueue& queue, const RansProblem& problem,
                      const std::vector<RansBlockWords>& blocks, std::uint8_t* symbols);

}  // namespace sluice::kernels
