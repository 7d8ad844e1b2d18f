// SPDX-License-Identifier: Apache-2.0
// `sluice codec`: pipelines on caches in files, without a cluster.
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

struct CodecOptions {
  std::string model = "default";  // "default", a .gguf file, or a Hugging Face folder
  std::filesystem::path cache;    // a dumped cache
  std::filesystem::path frames;
  std::filesystem::path output;
  std::filesystem::path prompt_file;
  std::filesystem::path profile;  // empty: the model's default one
  std::vector<std::filesystem::path> texts;
  std::string pipeline;                // one: a preset's name or a file
  std::vector<std::string> pipelines;  // several; empty: all presets
  std::int64_t question_tokens = 0;
  std::int64_t window_tokens = 128;
  std::int64_t passages_max = 0;  // of all texts together; 0: all
  std::int64_t samples = 0;       // the model's own texts, beside the passages
  std::uint64_t seed = 0;
  bool raw = false;
  bool repeat = false;  // score by a repetition of the prompt, too
  bool if_missing = false;
  bool json = false;
};

// Adds `codec` and its commands to the program. `options` must outlive the parsing; `chosen`
// becomes what to run after it, and returns the exit code.
void add_codec(CLI::App& app, CodecOptions& options, std::function<int()>& chosen);

}  // namespace sluice::launch
