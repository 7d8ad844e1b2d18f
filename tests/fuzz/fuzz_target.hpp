// SPDX-License-Identifier: Apache-2.0
// What a fuzz target is: libFuzzer's entry point, and right inputs to start from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// Takes any bytes; returns 0. A wrong reader aborts in it, by a sanitizer or a check.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace sluice::fuzz {

// Inputs that the reader accepts (the driver checks that it runs on them), small and varied.
std::vector<std::string> seeds();

}  // namespace sluice::fuzz
