// SPDX-License-Identifier: Apache-2.0
// Writes small safetensors files, right ones and ones that lie.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"

namespace sluice::tests {

// A file around any header text.
inline std::string safetensors_file(std::string_view header, std::string_view data,
                                    std::optional<std::uint64_t> claimed_length = {}) {
  const std::uint64_t length = claimed_length.value_or(header.size());
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  file += header;
  file += data;
  return file;
}

class SafetensorsBuilder {
 public:
  SafetensorsBuilder& tensor(std::string_view name, std::string_view type,
                             const std::vector<std::uint64_t>& shape, std::string_view bytes) {
    // Piece by piece: g++ 12 sees overlaps that are not there in longer sums of strings.
    if (!header_.empty()) header_ += ',';
    header_.append("\"").append(name).append("\":{\"dtype\":\"").append(type);
    header_.append("\",\"shape\":[");
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (i > 0) header_ += ',';
      header_ += std::to_string(shape[i]);
    }
    header_.append("],\"data_offsets\":[").append(std::to_string(data_.size()));
    header_.append(",").append(std::to_string(data_.size() + bytes.size())).append("]}");
    data_ += bytes;
    return *this;
  }
  SafetensorsBuilder& tensor_f32(std::string_view name, const std::vector<std::uint64_t>& shape,
                                 const std::vector<float>& values) {
    return tensor(name, "F32", shape,
                  {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }

  std::string build() const {
    std::string header = "{";
    header.append(header_).append("}");
    header.append((8 - header.size() % 8) % 8, ' ');  // as the format's own writer aligns the data
    return safetensors_file(header, data_);
  }

 private:
  std::string header_;
  std::string data_;
};

}  // namespace sluice::tests
