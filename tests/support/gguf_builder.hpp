// SPDX-License-Identifier: Apache-2.0
// Writes small GGUF files, right ones and ones that lie.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/bytes.hpp"

namespace sluice::tests {

class GgufBuilder {
 public:
  // The numbers of the format.
  enum Kind : std::uint32_t {
    kUint8 = 0,
    kInt8 = 1,
    kUint32 = 4,
    kInt32 = 5,
    kFloat32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9,
    kUint64 = 10,
  };
  enum Type : std::uint32_t { kF32 = 0, kF16 = 1, kQ4_0 = 2, kQ4_1 = 3, kQ8_0 = 8, kQ3_K = 11 };

  // What the header says, when it shall not be the truth.
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;
  std::optional<std::uint64_t> claimed_tensors;
  std::optional<std::uint64_t> claimed_metadata;

  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> file_shape;  // the file's order: fastest first
    std::uint32_t type = kF32;
    std::vector<std::byte> bytes;
    std::optional<std::uint64_t> claimed_offset;
  };
  std::vector<Tensor> tensors;

  GgufBuilder& text(std::string_view key, std::string_view value) {
    begin(key, kString);
    put_text(value);
    return *this;
  }
  GgufBuilder& u32(std::string_view key, std::uint32_t value) { return put(key, kUint32, value); }
  GgufBuilder& f32(std::string_view key, float value) { return put(key, kFloat32, value); }
  GgufBuilder& flag(std::string_view key, bool value) {
    return put(key, kBool, static_cast<std::uint8_t>(value ? 1 : 0));
  }
  template <class T>
  GgufBuilder& put(std::string_view key, std::uint32_t kind, T value) {
    begin(key, kind);
    metadata_.put(value);
    return *this;
  }
  GgufBuilder& texts(std::string_view key, const std::vector<std::string>& values) {
    begin_array(key, kString, values.size());
    for (const auto& value : values) put_text(value);
    return *this;
  }
  template <class T>
  GgufBuilder& numbers(std::string_view key, std::uint32_t kind, const std::vector<T>& values) {
    begin_array(key, kind, values.size());
    for (const T value : values) metadata_.put(value);
    return *this;
  }
  // The head of an array alone: what follows is up to the caller.
  GgufBuilder& begin_array(std::string_view key, std::uint32_t kind, std::uint64_t length) {
    begin(key, kArray);
    metadata_.put(kind);
    metadata_.put(length);
    return *this;
  }
  // The head of an entry alone.
  GgufBuilder& begin(std::string_view key, std::uint32_t kind) {
    put_text(key);
    metadata_.put(kind);
    ++entries_;
    return *this;
  }
  // A string whose length is a lie.
  GgufBuilder& put_length(std::uint64_t length) {
    metadata_.put(length);
    return *this;
  }

  // `shape`: row-major, as TensorView has it.
  GgufBuilder& tensor(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type,
                      std::vector<std::byte> bytes) {
    tensors.push_back(
        {std::string(name), {shape.rbegin(), shape.rend()}, type, std::move(bytes), {}});
    return *this;
  }
  GgufBuilder& tensor_f32(std::string_view name, std::vector<std::uint64_t> shape,
                          const std::vector<float>& values) {
    const auto* first = reinterpret_cast<const std::byte*>(values.data());
    return tensor(name, std::move(shape), kF32, {first, first + values.size() * sizeof(float)});
  }

  std::string build() const {
    ByteWriter out;
    for (const char letter : std::string_view("GGUF")) out.put(letter);
    out.put(version);
    out.put(claimed_tensors.value_or(tensors.size()));
    out.put(claimed_metadata.value_or(entries_));
    append(out, metadata_.bytes());
    std::uint64_t offset = 0;
    for (const auto& tensor : tensors) {
      put_text(out, tensor.name);
      out.put(static_cast<std::uint32_t>(tensor.file_shape.size()));
      for (const std::uint64_t extent : tensor.file_shape) out.put(extent);
      out.put(tensor.type);
      out.put(tensor.claimed_offset.value_or(offset));
      offset += padded(tensor.bytes.size());
    }
    pad(out);
    for (const auto& tensor : tensors) {
      append(out, tensor.bytes);
      pad(out);
    }
    const auto& bytes = out.bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  static void put_text(ByteWriter& out, std::string_view text) {
    out.put(std::uint64_t{text.size()});
    for (const char letter : text) out.put(letter);
  }
  void put_text(std::string_view text) { put_text(metadata_, text); }
  static void append(ByteWriter& out, const std::vector<std::byte>& bytes) {
    for (const std::byte byte : bytes) out.put(byte);
  }
  std::uint64_t padded(std::uint64_t size) const {
    return (size + alignment - 1) / alignment * alignment;
  }
  void pad(ByteWriter& out) const {
    while (out.bytes().size() % alignment != 0) out.put(std::byte{0});
  }

  ByteWriter metadata_;
  std::uint64_t entries_ = 0;
};

}  // namespace sluice::tests
