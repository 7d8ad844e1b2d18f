// SPDX-License-Identifier: Apache-2.0
// What was measured of a model before serving it: bases, levels, symbol frequencies, fragile
// layers.
//
// Both sides of a transfer hold the same profile; a frame that needs one names it by its hash, as a
// compressed file names its dictionary.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "kernels/core/tensor_view.hpp"

namespace sluice::kernels {

// Named tensors, immutable once it is shared between threads. Names are written
// "<stage>.<what>.<k|v>.<layer>", for example "klt.basis.k.7".
class Profile {
 public:
  // Copies; replaces a tensor of the same name. `shape`: row-major, at most kTensorRankMax.
  void put(std::string name, DType dtype, std::vector<std::int64_t> shape, Bytes data);

  // Nothing happens when there is none.
  void erase(std::string_view name);

  // Valid as long as the profile is and nobody calls put.
  std::optional<TensorView> find(std::string_view name) const;

  // As find, but kNotFound (naming the tensor and the command that calibrates) or kCorrupt when
  // dtype or element count differ. `elements` < 0: any.
  Result<TensorView> require(std::string_view name, DType dtype, std::int64_t elements) const;

  std::vector<std::string> names() const;  // sorted

  std::uint64_t model_fingerprint = 0;

  // Of the fingerprint and of every name, dtype, shape and byte: the same on every machine.
  std::uint64_t hash() const;

 private:
  struct Tensor {
    DType dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> data;
  };
  std::map<std::string, Tensor, std::less<>> tensors_;
};

// "klt.basis" + key + 7 -> "klt.basis.k.7".
std::string profile_name(std::string_view what, bool is_key, std::int64_t layer);

}  // namespace sluice::kernels
