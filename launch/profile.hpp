// SPDX-License-Identifier: Apache-2.0
// `sluice profile`: all that codecs and the scheduler need to know of a model, by one command.
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

struct ProfileOptions {
  std::string model = "default";    // "default", a .gguf file, or a Hugging Face folder
  std::vector<std::string> levels;  // presets; empty: those that a scheduler would choose from
  std::int64_t items = 20;          // of all tasks together
  std::filesystem::path data;       // empty: the slices that come along
  std::filesystem::path output;     // the table; empty: beside the model's profile
  int threads = 0;                  // 0: all cores
  bool if_missing = false;
  bool fresh = false;  // forget what was measured before
};

// As add_codec().
void add_profile(CLI::App& app, ProfileOptions& options, std::function<int()>& chosen);

}  // namespace sluice::launch
