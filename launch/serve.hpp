// SPDX-License-Identifier: Apache-2.0
// `sluice serve`: a cluster behind an OpenAI-compatible HTTP interface, until it is told to stop.
#pragma once

#include <filesystem>
#include <string>

namespace sluice::launch {

struct ServeOptions {
  std::filesystem::path config;
  std::string pipeline;  // a preset or a file; empty: the configuration's
};

// The exit code.
int run_serve(const ServeOptions& options);

}  // namespace sluice::launch
