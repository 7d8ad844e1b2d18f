// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace sluice::runtime {
namespace {

// Closes a descriptor on every way out; the mapping does not need it once it stands.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

std::string reason(int error_number) {
  return std::error_code(error_number, std::generic_category()).message();
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const std::string name = path.string();
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) {
    const int why = errno;
    if (why == ENOENT || why == ENOTDIR) {
      return make_error(ErrorCode::kNotFound, name + ": there is no such file");
    }
    return make_error(ErrorCode::kInvalidArgument, name + ": cannot be opened: " + reason(why));
  }
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) {
    return make_error(ErrorCode::kInvalidArgument, name + ": cannot be read: " + reason(errno));
  }
  if (S_ISDIR(status.st_mode)) {
    return make_error(ErrorCode::kInvalidArgument, name + ": is a folder, not a file");
  }
  if (!S_ISREG(status.st_mode)) {
    return make_error(ErrorCode::kInvalidArgument, name + ": is not a regular file");
  }
  if (status.st_size == 0) return make_error(ErrorCode::kCorrupt, name + ": the file is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.number(), 0);
  if (address == MAP_FAILED) {
    return make_error(ErrorCode::kResourceExhausted,
                      name + ": cannot be mapped into memory: " + reason(errno));
  }
  return MappedFile(static_cast<const std::byte*>(address), size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace sluice::runtime
