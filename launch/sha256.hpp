// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) of a file: to tell whether a downloaded model is the one expected.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::launch {

class Sha256 {
 public:
  void update(Bytes bytes);
  // Lower-case hexadecimal, 64 letters. Nothing may follow.
  std::string finish();

 private:
  void block(const std::byte* data);

  std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::byte pending_[64] = {};
  std::size_t pending_bytes_ = 0;
  std::uint64_t total_bytes_ = 0;
};

// kNotFound when the file cannot be read.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

}  // namespace sluice::launch
