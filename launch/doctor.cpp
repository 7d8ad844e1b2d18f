// SPDX-License-Identifier: Apache-2.0
#include "launch/doctor.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "launch/default_model.hpp"
#include "launch/doctor_checks.hpp"
#include "launch/network_probe.hpp"
#include "launch/sha256.hpp"

namespace sluice::launch {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return CPU_COUNT(&set);
}

// The file that a shell would run for `program`; empty when there is none.
std::string find_program(const std::string& program) {
  const char* const path = std::getenv("PATH");
  std::string rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::string folder = rest.substr(0, rest.find(':'));
    rest.erase(0, folder.size() + 1);
    const fs::path candidate = fs::path(folder) / program;
    std::error_code error;
    if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) {
      return candidate.string();
    }
  }
  return {};
}

// At most 4 KiB of what `command` prints.
std::string output_of(const std::string& command) {
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  ::pclose(pipe);
  return text;
}

MemoryFacts memory_facts() {
  MemoryFacts facts;
  const std::string meminfo = read_text("/proc/meminfo");
  facts.total_bytes = parse_meminfo(meminfo, "MemTotal");
  facts.available_bytes = parse_meminfo(meminfo, "MemAvailable");
  facts.cgroup_max_bytes = parse_memory_max(read_text("/sys/fs/cgroup/memory.max"));
  struct statvfs shared {};
  if (::statvfs("/dev/shm", &shared) == 0) {
    facts.shared_bytes = std::uint64_t{shared.f_blocks} * shared.f_frsize;
  }
  facts.shared_pages = parse_choice(read_text("/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
  rlimit lock{};
  if (::getrlimit(RLIMIT_MEMLOCK, &lock) == 0 && lock.rlim_cur != RLIM_INFINITY) {
    facts.lock_bytes = lock.rlim_cur;
  }
  return facts;
}

LaunchFacts launch_facts() {
  LaunchFacts facts;
  facts.mpirun = find_program("mpirun");
  // By its name, not its path: the shell finds the same file, and needs no quoting.
  if (!facts.mpirun.empty()) {
    facts.mpi_version = parse_mpi_version(output_of("mpirun --version 2>/dev/null"));
  }
  facts.has_srun = !find_program("srun").empty();
  return facts;
}

ModelFacts model_facts() {
  ModelFacts facts;
  const fs::path path = default_model_path();
  facts.path = path.string();
  facts.sha256_expected = default_model_sha256();
  std::error_code error;
  facts.is_there = fs::is_regular_file(path, error);
  if (facts.is_there) {
    const Result<std::string> hash = sha256_of_file(path);
    facts.sha256 = hash ? *hash : "unreadable";
  }
  return facts;
}

}  // namespace

int run_doctor(std::ostream& out) {
  std::vector<Finding> findings;
  const auto add = [&](std::vector<Finding> more) {
    std::move(more.begin(), more.end(), std::back_inserter(findings));
  };
  const CudaProbe cuda = probe_cuda();
  const MemoryFacts memory = memory_facts();
  add(check_cpu(parse_cpu(read_text("/proc/cpuinfo")), usable_cores()));
  add(check_memory(memory));
  add(check_cuda(cuda, SLUICE_BUILT_WITH_CUDA));
  add(check_network(probe_network(), cuda, memory));
  add(check_launch(launch_facts()));
  add(check_model(model_facts()));
  print_findings(out, findings);
  return exit_status(findings);
}

}  // namespace sluice::launch
