// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/profile.hpp"

#include <xxhash.h>

#include <algorithm>

#include "kernels/core/check.hpp"

namespace sluice::kernels {

void Profile::put(std::string name, DType dtype, std::vector<std::int64_t> shape, Bytes data) {
  SLUICE_CHECK(shape.size() <= static_cast<std::size_t>(kTensorRankMax), "too many axes");
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.reserve(data.size());
  tensor.data.assign(data.begin(), data.end());
  tensors_.insert_or_assign(std::move(name), std::move(tensor));
}

void Profile::erase(std::string_view name) {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) tensors_.erase(found);
}

std::optional<TensorView> Profile::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return std::nullopt;
  TensorView view{.data = found->second.data.data(),
                  .dtype = found->second.dtype,
                  .rank = static_cast<int>(found->second.shape.size()),
                  .shape = {}};
  std::copy(found->second.shape.begin(), found->second.shape.end(), view.shape.begin());
  return view;
}

Result<TensorView> Profile::require(std::string_view name, DType dtype,
                                    std::int64_t elements) const {
  const auto found = find(name);
  if (!found) {
    return make_error(ErrorCode::kNotFound, "the model's profile has no '" + std::string(name) +
                                                "': make one with 'sluice codec calibrate'");
  }
  if (found->dtype != dtype || (elements >= 0 && found->elements() != elements)) {
    return make_error(ErrorCode::kCorrupt, "the model's profile holds '" + std::string(name) +
                                               "' in another type or size than expected");
  }
  return *found;
}

std::vector<std::string> Profile::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) names.push_back(name);
  return names;
}

std::uint64_t Profile::hash() const {
  std::uint64_t hash = XXH3_64bits(&model_fingerprint, sizeof model_fingerprint);
  const auto fold = [&hash](const void* data, std::size_t bytes) {
    hash = XXH3_64bits_withSeed(data, bytes, hash);
  };
  for (const auto& [name, tensor] : tensors_) {
    fold(name.data(), name.size());
    fold(&tensor.dtype, sizeof tensor.dtype);
    fold(tensor.shape.data(), tensor.shape.size() * sizeof(std::int64_t));
    fold(tensor.data.data(), tensor.data.size());
  }
  return hash;
}

std::string profile_name(std::string_view what, bool is_key, std::int64_t layer) {
  return std::string(what) + (is_key ? ".k." : ".v.") + std::to_string(layer);
}

}  // namespace sluice::kernels
