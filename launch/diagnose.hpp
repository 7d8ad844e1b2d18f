// SPDX-License-Identifier: Apache-2.0
// `sluice diagnose`: which layers of a model are fragile, into its profile.
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

struct DiagnoseOptions {
  std::string model = "default";   // "default", a .gguf file, or a Hugging Face folder
  std::vector<int> bits = {4, 2};  // the first one's fragile layers go into the profile
  std::vector<std::string> tasks = {"squad", "triviaqa", "mmlu", "needle"};
  std::int64_t items = 6;      // of each task
  std::filesystem::path data;  // empty: the slices that come along
  std::filesystem::path output = "diagnosis";
  std::filesystem::path profile;  // empty: the model's default one
  bool write = true;              // the profile
  int threads = 0;                // 0: all cores
};

// As add_codec().
void add_diagnose(CLI::App& app, DiagnoseOptions& options, std::function<int()>& chosen);

}  // namespace sluice::launch
