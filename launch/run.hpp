// SPDX-License-Identifier: Apache-2.0
// `sluice run`: one prompt, or a file of them, answered on the terminal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/request/generate.hpp"

namespace sluice::launch {

struct RunOptions {
  std::filesystem::path config;
  std::filesystem::path prompt_file;   // this, or
  std::filesystem::path prompts_file;  // that
  std::filesystem::path output_file;
  std::int64_t tokens_max = 256;
  runtime::SamplingOptions sampling;
  std::string pipeline;              // a preset or a file; empty: the configuration's
  std::int64_t question_tokens = 0;  // at the prompt's end: what is asked
  bool raw = false;
  bool ignore_end = false;
  bool local = false;
  bool json = false;
  bool accept_joins = false;
  std::string fault;  // as in RankOptions
  std::int64_t fault_rank = 0;
};

// The exit code.
int run_run(const RunOptions& options);

}  // namespace sluice::launch
