// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/line_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::runtime {

Result<std::unique_ptr<LineFile>> LineFile::open(const std::filesystem::path& path,
                                                 LineFileOptions options) {
  const int descriptor =
      ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
  if (descriptor < 0) {
    return make_error(ErrorCode::kUnavailable,
                      "cannot write " + path.string() + ": " + std::strerror(errno));
  }
  return std::unique_ptr<LineFile>(new LineFile(descriptor, path, std::move(options)));
}

LineFile::LineFile(int descriptor, std::filesystem::path path, LineFileOptions options)
    : descriptor_(descriptor), path_(std::move(path)), options_(std::move(options)) {
  thread_ = std::thread([this] { run(); });
}

LineFile::~LineFile() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  filled_.notify_one();
  thread_.join();
  ::close(descriptor_);
}

void LineFile::push(std::string_view line) {
  {
    const std::lock_guard lock(mutex_);
    if (line.size() >= options_.pending_bytes_max - pending_.size()) {
      ++lost_;
      return;
    }
    pending_.append(line).push_back('\n');
    ++pending_lines_;
  }
  filled_.notify_one();
}

void LineFile::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [this] { return ending_ || pending_lines_ > 0; });
    if (pending_lines_ == 0 && lost_ == 0) return;
    std::string lines = std::exchange(pending_, {});
    const std::int64_t count = std::exchange(pending_lines_, 0);
    // They came after the lines that filled the room; told before them, as it is before the next.
    unwritten_ += std::exchange(lost_, 0);
    lock.unlock();
    write(std::move(lines), count);
    lock.lock();
  }
}

void LineFile::write(std::string lines, std::int64_t count) {
  std::string text = is_line_broken_ ? "\n" : "";
  if (unwritten_ > 0 && options_.lost) text += options_.lost(unwritten_) + '\n';
  text += lines;
  if (text.empty() || write_all(text)) {
    unwritten_ = 0;
    is_line_broken_ = false;
    return;
  }
  const int why = errno;
  unwritten_ += count;
  if (std::exchange(has_warned_, true) || !options_.warn) return;
  options_.warn("cannot write " + path_.string() + ": " + std::strerror(why) +
                "; lines are lost until it can be written again");
}

bool LineFile::write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    is_line_broken_ = text[static_cast<std::size_t>(written) - 1] != '\n';
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace sluice::runtime
