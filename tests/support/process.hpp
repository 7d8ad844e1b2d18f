// SPDX-License-Identifier: Apache-2.0
// Runs a program as a user would: arguments in, exit code and both outputs back.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

namespace sluice::tests {

// A child in a process group of its own, so that nothing of it outlives the test.
class ChildProcess {
 public:
  explicit ChildProcess(const std::vector<std::string>& arguments) {
    std::array<int, 2> out{};
    std::array<int, 2> error{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(error.data(), O_CLOEXEC) != 0) std::abort();
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) std::abort();
    if (pid_ == 0) {
      setpgid(0, 0);
      dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      dup2(error[1], STDERR_FILENO);
      execvp(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    close(error[1]);
    out_fd_ = out[0];
    error_fd_ = error[0];
  }
  ~ChildProcess() {
    kill(-pid_, SIGKILL);
    if (!ended_) waitpid(pid_, nullptr, 0);
    close(out_fd_);
    close(error_fd_);
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  const std::string& out() const { return out_; }
  const std::string& error() const { return error_; }

  // Reads until `text` is on standard error, at `from` or later, or the program ends, or the time
  // is over.
  bool wait_for_error(const std::string& text, std::chrono::seconds timeout, std::size_t from = 0) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (error_.find(text, from) == std::string::npos) {
      if (std::chrono::steady_clock::now() > until || !read_some()) return false;
    }
    return true;
  }

  // The exit code; -1 when it did not end by itself in time, 128 + n for a signal n.
  int wait(std::chrono::seconds timeout) {
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (read_some()) {
      if (std::chrono::steady_clock::now() > until) return -1;
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  // False once both outputs are closed.
  bool read_some() {
    std::array<pollfd, 2> fds{
        {{out_open_ ? out_fd_ : -1, POLLIN, 0}, {error_open_ ? error_fd_ : -1, POLLIN, 0}}};
    poll(fds.data(), fds.size(), 100);
    out_open_ = out_open_ && take(fds[0], out_);
    error_open_ = error_open_ && take(fds[1], error_);
    return out_open_ || error_open_;
  }
  static bool take(const pollfd& fd, std::string& text) {
    if (fd.revents == 0) return true;
    std::array<char, 4096> buffer{};
    const ssize_t count = read(fd.fd, buffer.data(), buffer.size());
    if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  pid_t pid_ = 0;
  int out_fd_ = -1;
  int error_fd_ = -1;
  bool out_open_ = true;
  bool error_open_ = true;
  bool ended_ = false;
  std::string out_;
  std::string error_;
};

}  // namespace sluice::tests
