// SPDX-License-Identifier: Apache-2.0
// The safetensors files of a Hugging Face folder, memory-mapped: one, or shards with an index.
#pragma once

#include <filesystem>
#include <memory>

#include "kernels/core/result.hpp"
#include "runtime/model/tensor_source.hpp"

namespace sluice::runtime {

class SafetensorsFile : public TensorSource {
 public:
  static Result<std::unique_ptr<SafetensorsFile>> open(const std::filesystem::path& path);

  // model.safetensors, or the shards that model.safetensors.index.json names (plain file names in
  // the same folder). kNotFound, kCorrupt, kUnsupported.
  static Result<std::unique_ptr<SafetensorsFile>> open_folder(const std::filesystem::path& folder);
};

}  // namespace sluice::runtime
