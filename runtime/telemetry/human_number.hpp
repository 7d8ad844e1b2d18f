// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them in tables: thousands apart, bytes with a decimal unit.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::runtime {

// "1,234,567"
std::string human_count(std::int64_t count);

// Decimal units, three or more digits: "512 B", "46.9 MB", "1.25 GB".
std::string human_bytes(double bytes);

// "2.21 GB/s"
std::string human_rate(double bytes_per_s);

}  // namespace sluice::runtime
