// SPDX-License-Identifier: Apache-2.0
// `sluice serve`: a cluster behind an OpenAI-compatible HTTP interface, until it is told to stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace sluice::launch {

struct ServeOptions {
  std::filesystem::path config;
  std::string pipeline;    // a preset or a file; empty: the configuration's
  std::string join;        // HOST:PORT of a running router: be its rank `rank` in place of one that
  std::int64_t rank = -1;  // ended
  std::string fault;       // as in RankOptions
  std::int64_t fault_rank = 0;
};

// The exit code.
int run_serve(const ServeOptions& options);

}  // namespace sluice::launch
