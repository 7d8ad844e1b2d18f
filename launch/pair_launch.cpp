// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_launch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <sstream>
#include <string_view>

#include "launch/pair_report.hpp"

extern char** environ;

namespace sluice::launch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kTextMax = 1 << 20;  // of either stream; more is dropped
// After its report, and after SIGTERM, for mpirun to end its processes.
constexpr std::chrono::seconds kGrace{3};

int print_failure(const std::string& sentence) {
  std::fprintf(stderr, "sluice: %s\n", sentence.c_str());
  return 1;
}

// Variables that the two processes must have as this one has them.
std::vector<std::string> carried_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("UCX_") || name.starts_with("SLUICE_") || name == "LD_LIBRARY_PATH" ||
        name == "CUDA_VISIBLE_DEVICES") {
      names.emplace_back(name);
    }
  }
  return names;
}

std::vector<std::string> own_command() {
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0) return {"sluice", "doctor", "--pair-rank"};
  return {std::string(path.data(), static_cast<std::size_t>(length)), "doctor", "--pair-rank"};
}

// mpirun in a process group of its own; both its outputs are read here.
class Job {
 public:
  explicit Job(const std::vector<std::string>& command) {
    std::array<int, 2> out{};
    std::array<int, 2> error{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(error.data(), O_CLOEXEC) != 0) return;
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(error[1], STDERR_FILENO);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(error[1]);
    fds_ = {{{out[0], POLLIN, 0}, {error[0], POLLIN, 0}}};
  }
  ~Job() {
    end();
    for (const pollfd& fd : fds_) {
      if (fd.fd >= 0) ::close(fd.fd);
    }
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  bool is_started() const { return process_ > 0; }
  const std::string& out() const { return text_[0]; }
  const std::string& error() const { return text_[1]; }

  // Reads until both outputs are closed, `is_enough` or the time is over; false for the last.
  template <class Predicate>
  bool read_until(Clock::time_point limit, Predicate is_enough) {
    while (fds_[0].fd >= 0 || fds_[1].fd >= 0) {
      if (is_enough()) return true;
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(limit - Clock::now());
      if (left.count() <= 0) return false;
      if (::poll(fds_.data(), fds_.size(), static_cast<int>(left.count())) < 0) continue;
      for (std::size_t i = 0; i < fds_.size(); ++i) take(i);
    }
    return true;
  }

  // Its exit status, or 128 and the signal's number. What still runs is told to end, then killed.
  int end() {
    if (process_ <= 0) return status_;
    if (!has_ended(kGrace)) ::kill(-process_, SIGTERM);
    if (!has_ended(kGrace)) ::kill(-process_, SIGKILL);
    int status = 0;
    if (process_ > 0 && ::waitpid(process_, &status, 0) == process_) keep(status);
    return status_;
  }

 private:
  void take(std::size_t index) {
    pollfd& fd = fds_[index];
    if (fd.fd < 0 || fd.revents == 0) return;
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(fd.fd, buffer.data(), buffer.size());
    if (count > 0 && text_[index].size() < kTextMax) {
      text_[index].append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (count == 0 || (count < 0 && errno != EINTR)) {
      ::close(fd.fd);
      fd.fd = -1;
    }
  }

  bool has_ended(std::chrono::seconds patience) {
    if (process_ <= 0) return true;
    // Its end closes the outputs; an orphan that keeps them open costs the whole patience.
    const auto limit = Clock::now() + patience;
    int status = 0;
    while (::waitpid(process_, &status, WNOHANG) != process_) {
      if (Clock::now() > limit) return false;
      ::poll(nullptr, 0, 20);
    }
    keep(status);
    return true;
  }

  void keep(int status) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    process_ = 0;
  }

  pid_t process_ = -1;
  int status_ = 127;
  std::array<pollfd, 2> fds_{{{-1, 0, 0}, {-1, 0, 0}}};
  std::array<std::string, 2> text_;
};

std::string trim(std::string_view text) {
  while (!text.empty() && (std::isspace(static_cast<unsigned char>(text.front())) != 0)) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (std::isspace(static_cast<unsigned char>(text.back())) != 0)) {
    text.remove_suffix(1);
  }
  return std::string(text);
}

}  // namespace

Status check_host_name(const std::string& host) {
  const bool is_fine = !host.empty() && host.size() <= 255 && host.front() != '-' &&
                       std::string_view(host).find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
                           "Z0123456789._-") == std::string_view::npos;
  if (is_fine) return {};
  return make_error(ErrorCode::kInvalidArgument, "\"" + host + "\" cannot be the name of a host");
}

std::vector<std::string> pair_command(const PairOptions& options, bool is_root,
                                      const std::vector<std::string>& environment) {
  const bool is_one_host = options.host_a == options.host_b;
  std::vector<std::string> command = {
      "mpirun", "-n", "2", "--host",
      is_one_host ? options.host_a + ":2" : options.host_a + "," + options.host_b,
      // One process a host, in the order of the names.
      "--map-by", "node", "--bind-to", "none"};
  if (is_root) command.emplace_back("--allow-run-as-root");
  for (const std::string& name : environment) {
    command.emplace_back("-x");
    command.push_back(name);
  }
  const std::vector<std::string> rank =
      options.rank_command.empty() ? own_command() : options.rank_command;
  command.insert(command.end(), rank.begin(), rank.end());
  command.insert(command.end(), {options.host_a, options.host_b, options.transport});
  return command;
}

std::string explain_failure(const std::string& error_text, int status, const PairOptions& options) {
  const std::string hosts =
      options.host_a == options.host_b ? options.host_a : options.host_a + " and " + options.host_b;
  std::istringstream lines(error_text);
  std::string reason;
  std::string first;
  for (std::string raw; std::getline(lines, raw);) {
    const std::string line = trim(raw);
    if (line.starts_with("sluice: ")) return line.substr(std::strlen("sluice: "));
    if (line.empty() || line.starts_with("---") || line.starts_with("[")) continue;
    if (first.empty()) first = line;
    for (const char* telling :
         {"ssh: ", "exited on signal", "Permission denied", "not enough slots", "Cannot open",
          "Name or service not known", "not be found", "No such file", "No route to host",
          "command not found"}) {
      if (reason.empty() && line.find(telling) != std::string::npos) reason = line;
    }
  }
  // mpirun tells of a signal on some runs only.
  if (reason.empty() && status > 128) {
    reason = fmt::format("one of them was ended by signal {}", status - 128);
  }
  if (reason.empty()) reason = first.empty() ? "it says nothing" : first;
  return fmt::format("mpirun could not run the two processes on {}: {}", hosts, reason);
}

int run_pair(const PairOptions& options, std::ostream& out) {
  for (const std::string& host : {options.host_a, options.host_b}) {
    const Status status = check_host_name(host);
    if (!status) return print_failure(status.error().message);
  }
  Job job(pair_command(options, ::geteuid() == 0, carried_environment()));
  if (!job.is_started()) return print_failure("mpirun could not be started");
  const auto limit = Clock::now() + std::chrono::seconds(options.patience_s);
  PairReport report;
  const bool is_in_time = job.read_until(limit, [&] {
    report = split_pair_report(job.out());
    return report.is_whole;
  });
  report = split_pair_report(job.out());
  if (report.is_whole) {
    out << report.text;
    out.flush();
    return report.status;
  }
  if (!is_in_time) {
    return print_failure(fmt::format(
        "no report from {} and {} within {} s: a host does not answer (try ssh), or the network "
        "between the two drops what is sent",
        options.host_a, options.host_b, options.patience_s));
  }
  const int status = job.end();
  if (status == 127) return print_failure("there is no mpirun in the path: install openmpi-bin");
  return print_failure(explain_failure(job.error(), status, options));
}

}  // namespace sluice::launch
