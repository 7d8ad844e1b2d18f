// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/profile_file.hpp"

#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "runtime/model/half_tensors.hpp"
#include "runtime/model/printable.hpp"
#include "runtime/model/safetensors_file.hpp"
#include "runtime/model/safetensors_writer.hpp"

namespace sluice::runtime {
namespace {

// Eight bytes, least significant first. No stage's name starts with an underscore.
constexpr const char* kFingerprintName = "_model_fingerprint";

// Bases of a large model take some hundred megabytes.
constexpr std::size_t kProfileBytesMax = std::size_t{4} << 30;

Error corrupt(const std::filesystem::path& path, const std::string& what) {
  return make_error(ErrorCode::kCorrupt, path.string() + ": " + what);
}

Result<std::uint64_t> fingerprint_of(const SafetensorsFile& file,
                                     const std::filesystem::path& path) {
  const auto view = file.tensor(kFingerprintName);
  if (!view || view->dtype != DType::kU8 || view->elements() != 8) {
    return corrupt(path, "is not a profile: it does not say which model it is of");
  }
  std::uint64_t fingerprint = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    fingerprint |= std::to_integer<std::uint64_t>(view->data[i]) << (8 * i);
  }
  return fingerprint;
}

// FP16 is how FP32 was kept: no stage asks for it.
void put_tensor(const std::string& name, const TensorView& view, kernels::Profile& profile) {
  std::vector<std::int64_t> shape(view.shape.begin(),
                                  view.shape.begin() + static_cast<std::size_t>(view.rank));
  if (view.dtype != DType::kF16) {
    profile.put(name, view.dtype, std::move(shape), Bytes(view.data, view.bytes()));
    return;
  }
  std::vector<float> values(static_cast<std::size_t>(view.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t half = 0;  // a hostile file's may lie anywhere
    std::memcpy(&half, view.data + i * sizeof half, sizeof half);
    values[i] = f32_from_f16(half);
  }
  profile.put(name, DType::kF32, std::move(shape), std::as_bytes(std::span(values)));
}

}  // namespace

Result<kernels::Profile> load_profile(const std::filesystem::path& path,
                                      std::uint64_t model_fingerprint) {
  const auto file = SLUICE_TRY(SafetensorsFile::open(path));
  kernels::Profile profile;
  profile.model_fingerprint = SLUICE_TRY(fingerprint_of(*file, path));
  if (profile.model_fingerprint != model_fingerprint) {
    return make_error(ErrorCode::kInvalidArgument,
                      path.string() + ": the profile is of another model");
  }
  std::size_t bytes = 0;
  for (const std::string& name : file->tensor_names()) {
    if (name == kFingerprintName) continue;
    const auto view = file->tensor(name);
    if (!view)
      return corrupt(path, "the tensor " + printable(name) + " is of a type not read here");
    bytes += view->bytes() * (view->dtype == DType::kF16 ? 2 : 1);
    if (bytes > kProfileBytesMax) return corrupt(path, "is larger than a profile can be");
    put_tensor(name, *view, profile);
  }
  return profile;
}

Status save_profile(const std::filesystem::path& path, const kernels::Profile& profile) {
  std::byte fingerprint[8];
  for (std::size_t i = 0; i < 8; ++i) {
    fingerprint[i] = static_cast<std::byte>(profile.model_fingerprint >> (8 * i));
  }
  std::vector<NamedTensor> tensors;
  tensors.push_back(
      {kFingerprintName,
       TensorView{.data = fingerprint, .dtype = DType::kU8, .rank = 1, .shape = {8}}});
  std::vector<std::vector<std::uint16_t>> halves;  // what views point to
  for (const std::string& name : profile.names()) {
    TensorView view = *profile.find(name);
    auto exact = exact_halves(view);
    if (!exact.empty()) {
      halves.push_back(std::move(exact));
      view.dtype = DType::kF16;
      view.data = reinterpret_cast<const std::byte*>(halves.back().data());
    }
    tensors.push_back({name, view});
  }
  return write_safetensors(path, tensors);
}

}  // namespace sluice::runtime
