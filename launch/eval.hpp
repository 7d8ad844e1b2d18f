// SPDX-License-Identifier: Apache-2.0
// `sluice eval`: what pipelines cost a model's answers.
// Private to the sources beside it: it names the library of options.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sluice::launch {

struct EvalOptions {
  std::string model = "default";  // "default", a .gguf file, or a Hugging Face folder
  std::vector<std::string> tasks = {"squad", "triviaqa", "hotpotqa", "mmlu", "needle"};
  std::vector<std::string> pipelines = {"all"};  // presets or files; all: every preset
  std::vector<std::string> studies;              // instead of the two; names or files; all
  std::filesystem::path data;                    // empty: the slices that come along
  std::int64_t count = 0;  // items of a task; 0: 20, or as the study says; a study's at most
  std::filesystem::path output = "sluice-eval";
  std::filesystem::path profile;  // empty: the model's default one
  int threads = 0;                // 0: all cores
  std::uint64_t seed = 7;
  bool smoke = false;
  bool fresh = false;        // forget what was measured before
  bool report_only = false;  // measure nothing
};

// As add_codec().
void add_eval(CLI::App& app, EvalOptions& options, std::function<int()>& chosen);

}  // namespace sluice::launch
