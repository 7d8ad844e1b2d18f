// SPDX-License-Identifier: Apache-2.0
// The weights of a model found in a file, each checked against what the spec says it must be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"
#include "runtime/model/architecture.hpp"
#include "runtime/model/tensor_source.hpp"

namespace sluice::runtime {

enum class NameStyle : std::uint8_t { kGguf, kHuggingFace };

class WeightTable {
 public:
  struct Place {
    WeightRole role;
    std::int64_t layer;  // 0 for what the model has once
    auto operator<=>(const Place&) const = default;
  };

  // Every row of the architecture: presence, dtype and shape; and no tensor beyond them, since one
  // that nobody reads would change the model's answers unseen. `spec` was checked. kNotFound,
  // kCorrupt (shape), kUnsupported (dtype, a tensor without a use); `name` opens the message.
  static Result<WeightTable> bind(const TensorSource& tensors, const Architecture& architecture,
                                  const ModelSpec& spec, NameStyle style, const std::string& name);

  std::optional<TensorView> find(WeightRole role, std::int64_t layer) const;
  const std::map<Place, TensorView>& all() const { return views_; }

 private:
  std::map<Place, TensorView> views_;
};

}  // namespace sluice::runtime
