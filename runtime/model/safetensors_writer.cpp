// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/safetensors_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

namespace sluice::runtime {
namespace {

const char* type_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kI32:
      return "I32";
    case DType::kU8:
      return "U8";
    default:
      return nullptr;
  }
}

Result<std::string> header_of(std::span<const NamedTensor> tensors) {
  // Ordered: the data follows in the same order.
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::size_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const char* type = type_name(tensor.view.dtype);
    if (type == nullptr) {
      return make_error(ErrorCode::kInvalidArgument, "a safetensors file cannot hold '" +
                                                         tensor.name + "': its type is " +
                                                         dtype_name(tensor.view.dtype));
    }
    nlohmann::ordered_json shape = nlohmann::ordered_json::array();
    for (int axis = 0; axis < tensor.view.rank; ++axis) {
      shape.push_back(tensor.view.shape[static_cast<std::size_t>(axis)]);
    }
    const std::size_t end = offset + tensor.view.bytes();
    header[tensor.name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  while (text.size() % 8 != 0) text += ' ';  // the data starts aligned
  return text;
}

// Wide elements first: the format has no padding between tensors, and readers want them aligned.
std::vector<NamedTensor> in_order(std::span<const NamedTensor> tensors) {
  std::vector<NamedTensor> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return dtype_block_bytes(a.view.dtype) > dtype_block_bytes(b.view.dtype);
  });
  return ordered;
}

Error refused(const std::filesystem::path& path, const std::string& why) {
  return make_error(ErrorCode::kUnavailable, "cannot write " + path.string() + ": " + why);
}

}  // namespace

Status write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  const std::vector<NamedTensor> ordered = in_order(tensors);
  const std::string header = SLUICE_TRY(header_of(ordered));
  std::error_code error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
  if (error) return refused(path, error.message());
  std::filesystem::path beside = path;
  beside += ".writing-" + std::to_string(getpid());
  std::ofstream file(beside, std::ios::binary | std::ios::trunc);
  if (!file) return refused(path, std::strerror(errno));
  const std::uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  for (const NamedTensor& tensor : ordered) {
    file.write(reinterpret_cast<const char*>(tensor.view.data),
               static_cast<std::streamsize>(tensor.view.bytes()));
  }
  file.close();
  if (!file) {
    const std::string why = std::strerror(errno);
    std::filesystem::remove(beside, error);
    return refused(path, why);
  }
  std::filesystem::rename(beside, path, error);
  if (error) {
    const std::string why = error.message();
    std::filesystem::remove(beside, error);
    return refused(path, why);
  }
  return {};
}

}  // namespace sluice::runtime
