// SPDX-License-Identifier: Apache-2.0
// The starting half of `sluice doctor --pair A B`: two processes by mpirun, one on each host, and
// what they say, in bounded time.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::launch {

struct PairOptions {
  std::string host_a = {};
  std::string host_b = {};  // may be the same
  std::string transport = "ucx";
  int patience_s = 90;  // for all of it
  // What mpirun runs on both hosts, to which host_a, host_b and the transport are added; empty:
  // this program, as `doctor --pair-rank`.
  std::vector<std::string> rank_command = {};
};

// The whole command. `environment`: names of variables to carry to other hosts, where mpirun passes
// on only its own.
std::vector<std::string> pair_command(const PairOptions& options, bool is_root,
                                      const std::vector<std::string>& environment);

// kInvalidArgument for what cannot be a host's name.
Status check_host_name(const std::string& host);

// Why the two processes gave no report, as one sentence, from what they and mpirun wrote to the
// error stream and from mpirun's exit status: 128 and a signal's number for a process that it
// ended.
std::string explain_failure(const std::string& error_text, int status, const PairOptions& options);

// Starts the two and prints their report. The exit status: see pair_exit_status; 1 without a
// report, with one sentence on the error stream.
int run_pair(const PairOptions& options, std::ostream& out);

}  // namespace sluice::launch
