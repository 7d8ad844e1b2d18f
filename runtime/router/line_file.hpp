// SPDX-License-Identifier: Apache-2.0
// A file that lines are appended to by a thread of its own, so that whoever has one to write never
// waits for the disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct LineFileOptions {
  std::size_t pending_bytes_max = std::size_t{8} << 20;  // of lines not written yet; more are lost
  // Told once, in a sentence, from the file's own thread; may be empty.
  std::function<void(const std::string&)> warn = {};
  // The line that stands for so many lost ones, before the first that is written again; empty:
  // none.
  std::function<std::string(std::int64_t lines)> lost = {};
};

class LineFile {
 public:
  // Appends; makes the file if it is not there, but no folder. kUnavailable, in words.
  static Result<std::unique_ptr<LineFile>> open(const std::filesystem::path& path,
                                                LineFileOptions options);
  ~LineFile();  // after the last line was written, or could not be
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  // Any thread. `line` has no line feed.
  void push(std::string_view line);

 private:
  LineFile(int descriptor, std::filesystem::path path, LineFileOptions options);
  void run();
  void write(std::string lines, std::int64_t count);
  bool write_all(std::string_view text);

  const int descriptor_;
  const std::filesystem::path path_;
  const LineFileOptions options_;

  std::mutex mutex_;
  std::condition_variable filled_;
  std::string pending_;
  std::int64_t pending_lines_ = 0;
  std::int64_t lost_ = 0;  // no room in `pending_`
  bool ending_ = false;

  // The thread's own.
  std::int64_t unwritten_ = 0;
  bool is_line_broken_ = false;  // the file ends within a line
  bool has_warned_ = false;
  std::thread thread_;
};

}  // namespace sluice::runtime
