// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/profile_file.hpp"

#include <cstring>
#include <span>
#include <string>
#include <vector>

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
    bytes += view->bytes();
    if (bytes > kProfileBytesMax) return corrupt(path, "is larger than a profile can be");
    const auto rank = static_cast<std::size_t>(view->rank);
    profile.put(name, view->dtype, {view->shape.begin(), view->shape.begin() + rank},
                Bytes(view->data, view->bytes()));
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
  for (const std::string& name : profile.names()) tensors.push_back({name, *profile.find(name)});
  return write_safetensors(path, tensors);
}

}  // namespace sluice::runtime
