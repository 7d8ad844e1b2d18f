// SPDX-License-Identifier: Apache-2.0
// Writing tensors as a safetensors file: profiles and dumped caches, for our reader and
// everybody's.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"

namespace sluice::runtime {

struct NamedTensor {
  std::string name;
  TensorView view;  // of a plain type; borrowed
};

// Whole or not at all: written beside `path`, then renamed over it. Names must differ.
// kInvalidArgument for a block type, kUnavailable with the system's words when the disk refuses.
Status write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

}  // namespace sluice::runtime
