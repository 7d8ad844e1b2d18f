// SPDX-License-Identifier: Apache-2.0
// A model's profile on disk: a safetensors file, the model's fingerprint as one of its tensors.
// FP32 tensors whose values all fit FP16 are kept as such, and come back as FP32.
#pragma once

#include <cstdint>
#include <filesystem>

#include "kernels/core/result.hpp"
#include "kernels/stages/profile.hpp"

namespace sluice::runtime {

// kNotFound when there is none; kCorrupt for a file that is not a profile; kInvalidArgument when it
// is another model's. Copies the tensors: the file may be replaced afterwards.
Result<kernels::Profile> load_profile(const std::filesystem::path& path,
                                      std::uint64_t model_fingerprint);

// Whole or not at all.
Status save_profile(const std::filesystem::path& path, const kernels::Profile& profile);

}  // namespace sluice::runtime
