// SPDX-License-Identifier: Apache-2.0
// The program as launch/cluster starts it, for tests of whole processes.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace sluice::launch {

inline const std::string kSource = SLUICE_SOURCE_DIR;
inline const std::string kModel = SLUICE_DEFAULT_MODEL;

// Long, since CI runs several of these at once on two cores; nothing waits for it to pass.
inline constexpr std::chrono::seconds kPatience{240};

// `sluice ARGUMENTS...` on `ranks` ranks of an mpirun.
inline std::vector<std::string> cluster_command(int ranks, std::vector<std::string> arguments) {
  std::vector<std::string> command{"env", std::string("SLUICE_PROGRAM=") + SLUICE_PROGRAM,
                                   kSource + "/launch/cluster", std::to_string(ranks)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A small cluster of the default model; `more` is YAML that is appended. It answers as one process
// does: a decode worker's own kernels would round a prompt otherwise, and levels lose something.
inline std::string cluster_yaml(const std::string& ranks = "[router, prefill, decode]",
                                const std::string& more = "") {
  return "model: { path: " + kModel + " }\ncluster: { ranks: " + ranks + " }\n" + more +
         "scheduler: { levels: none, local_tokens_max: 0 }\n";
}

}  // namespace sluice::launch
