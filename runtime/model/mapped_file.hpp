// SPDX-License-Identifier: Apache-2.0
// A file mapped into memory for reading, and unmapped with the object.
#pragma once

#include <cstddef>
#include <filesystem>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::runtime {

// The pages come from the file as they are touched and can be dropped again: weights never count
// twice. The file must not shrink while it is mapped; the system answers a read past its new end
// with SIGBUS, as for every mapping.
class MappedFile {
 public:
  // kNotFound when nothing is there; kInvalidArgument for a folder or what may not be read;
  // kCorrupt when it is empty. The sentence names the path.
  static Result<MappedFile> open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  Bytes bytes() const { return {data_, size_}; }

 private:
  MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {}

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sluice::runtime
