// SPDX-License-Identifier: Apache-2.0
// Bytes, and a reader and writer of little-endian fields that never leave their bounds.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice {

static_assert(std::endian::native == std::endian::little, "every format here is little-endian");

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

// Appends fields; the buffer grows.
class ByteWriter {
 public:
  ByteWriter() { buffer_.reserve(kReservedBytes); }

  template <class T>
    requires std::is_trivially_copyable_v<T>
  void put(const T& value) {
    append(&value, sizeof(T));
  }
  // A u32 count, then the elements.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void put_array(std::span<const T> values) {
    put(static_cast<std::uint32_t>(values.size()));
    append(values.data(), values.size_bytes());
  }
  // The bytes alone.
  void put_bytes(Bytes bytes) { append(bytes.data(), bytes.size()); }
  void put_string(std::string_view text) { put_array(std::span(text.data(), text.size())); }

  const std::vector<std::byte>& bytes() const { return buffer_; }
  std::vector<std::byte> take() { return std::move(buffer_); }

 private:
  // Not vector::insert: GCC 12 takes its growth for an overflow (-Wstringop-overflow).
  void append(const void* first, std::size_t bytes) {
    const std::size_t before = buffer_.size();
    buffer_.resize(before + bytes);
    if (bytes != 0) std::memcpy(buffer_.data() + before, first, bytes);
  }

  static constexpr std::size_t kReservedBytes = 256;  // most messages need no second allocation

  std::vector<std::byte> buffer_;
};

// Reads what ByteWriter wrote, from hostile bytes: a field that is not there is kCorrupt.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  template <class T>
    requires std::is_trivially_copyable_v<T>
  Result<T> get() {
    if (bytes_.size() < sizeof(T)) return truncated();
    T value;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return value;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  Result<std::vector<T>> get_array() {
    const auto count = SLUICE_TRY(get<std::uint32_t>());
    if (bytes_.size() / sizeof(T) < count) return truncated();
    std::vector<T> values(count);
    if (count != 0) std::memcpy(values.data(), bytes_.data(), count * sizeof(T));
    bytes_ = bytes_.subspan(count * sizeof(T));
    return values;
  }
  Result<std::string> get_string() {
    const auto characters = SLUICE_TRY(get_array<char>());
    return std::string(characters.begin(), characters.end());
  }

  // The next `count` bytes, in place.
  Result<Bytes> get_bytes(std::size_t count) {
    if (bytes_.size() < count) return truncated();
    const Bytes taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }

  std::size_t remaining() const { return bytes_.size(); }
  Bytes rest() const { return bytes_; }

 private:
  static Error truncated() { return make_error(ErrorCode::kCorrupt, "message ends too early"); }

  Bytes bytes_;
};

}  // namespace sluice
