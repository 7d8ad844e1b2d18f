// SPDX-License-Identifier: Apache-2.0
// Named tensors of a model on disk, whatever format holds them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/tensor_view.hpp"

namespace sluice::runtime {

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  // Empty when there is none of this name, or none of a type that is read here. The view points
  // into the mapped file.
  virtual std::optional<TensorView> tensor(std::string_view name) const = 0;
  // The name of the type ("Q3_K") of a tensor that is there but of a type that is not read here.
  virtual std::optional<std::string> unread_type(std::string_view name) const = 0;
  virtual std::vector<std::string> tensor_names() const = 0;
};

}  // namespace sluice::runtime
