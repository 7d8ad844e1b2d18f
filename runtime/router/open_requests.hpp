// SPDX-License-Identifier: Apache-2.0
// How many requests the router lets in. The HTTP front keeps room for more connections than these,
// so that one request too many is told so.
#pragma once

#include <cstdint>

namespace sluice::runtime {

// Beyond this the queue only makes everybody late: the caller shall come back.
inline constexpr std::int64_t kOpenRequestsMax = 1024;

}  // namespace sluice::runtime
