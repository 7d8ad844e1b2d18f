// SPDX-License-Identifier: Apache-2.0
// Programmer errors: always on, print where and why, then abort. Never for bad input.
#pragma once

namespace sluice {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* why);
}  // namespace sluice

#define SLUICE_CHECK(condition, why) \
  (static_cast<bool>(condition) ? void(0) \
                                : ::sluice::check_failed(__FILE__, __LINE__, #condition, (why)))

#ifdef NDEBUG
#define SLUICE_DCHECK(condition, why) void(0)
#else
#define SLUICE_DCHECK(condition, why) SLUICE_CHECK(condition, why)
#endif
