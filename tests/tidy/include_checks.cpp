// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <map>
#include <set>
#include <sstream>

#include "tests/tidy/checks.hpp"

namespace sluice::tidy {
namespace {

using Paths = std::vector<std::string_view>;

// What a folder may include besides itself. Not listed: anything.
const std::map<std::string_view, Paths> kArrows{
    {"kernels", {}},
    {"comm", {"kernels/core"}},
    {"scheduler", {"kernels/core"}},
    {"runtime", {"kernels", "comm", "scheduler"}},
    {"launch", {"kernels", "comm", "scheduler", "runtime"}},
};

struct Dependency {
  std::string_view name;
  Paths headers;  // beginnings of include targets
  Paths folders;  // where it may be included; tests and benchmarks may use all, as oracles
  Paths words;    // what its types begin with
};

const std::vector<Dependency> kDependencies{
    {"UCX", {"ucp/", "uct/", "ucs/", "ucm/"}, {"comm/ucx"}, {"ucp_", "uct_", "ucs_"}},
    {"MPI", {"mpi.h", "mpi-ext.h"}, {"comm/bootstrap"}, {"MPI_"}},
    {"yaml-cpp", {"yaml-cpp/"}, {"runtime/config"}, {"YAML::"}},
    {"LibTorch",
     {"torch/", "ATen/", "c10/", "caffe2/"},
     {"runtime/engine"},
     {"torch::", "at::", "c10::"}},
    {"cpp-httplib", {"httplib.h"}, {"runtime/router"}, {"httplib::"}},
    {"nlohmann-json",
     {"nlohmann/"},
     {"runtime/model", "runtime/tokenizer", "runtime/router", "runtime/evaluation"},
     {"nlohmann::"}},
    {"PCRE2", {"pcre2.h"}, {"runtime/tokenizer"}, {"pcre2_"}},
    {"utf8proc", {"utf8proc.h"}, {"runtime/tokenizer"}, {"utf8proc_"}},
    {"MD4C", {"md4c"}, {"runtime/report"}, {"MD_"}},
    {"Highway", {"hwy/"}, {"kernels"}, {"hwy::"}},
    {"xxHash",
     {"xxhash.h"},
     {"kernels/stages", "kernels/pipeline", "runtime/kv", "runtime/transfer", "runtime/model",
      "runtime/evaluation"},
     {"XXH3_", "XXH64_"}},
    {"CUDA",
     {"cuda_runtime", "cuda.h", "cuda_fp16", "cuda_bf16"},
     {"kernels", "runtime/engine"},
     {"cudaStream_t", "cudaError_t", "cudaEvent_t"}},
    {"CLI11", {"CLI/"}, {"launch"}, {"CLI::"}},
    {"fmt",
     {"fmt/"},
     {"launch", "runtime/codec", "runtime/telemetry", "runtime/evaluation"},
     {"fmt::"}},
    {"spdlog", {"spdlog/"}, {"launch", "runtime/telemetry"}, {"spdlog::"}},
};

bool is_under(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool is_under_any(std::string_view path, const Paths& folders) {
  for (const std::string_view folder : folders) {
    if (is_under(path, folder)) return true;
  }
  return false;
}

bool starts_with_any(std::string_view text, const Paths& beginnings) {
  for (const std::string_view beginning : beginnings) {
    if (text.starts_with(beginning)) return true;
  }
  return false;
}

bool is_test_or_bench(std::string_view path) {
  return is_under(path, "tests") || is_under(path, "bench");
}

// The words of `line` that begin with `beginning`, at the start of a word.
bool has_word_beginning(std::string_view line, std::string_view beginning) {
  for (std::size_t at = line.find(beginning); at != std::string_view::npos;
       at = line.find(beginning, at + 1)) {
    const char before = at == 0 ? ' ' : line[at - 1];
    if (std::isalnum(static_cast<unsigned char>(before)) == 0 && before != '_') return true;
  }
  return false;
}

// Files after the word HEADERS, up to the next word in capitals or the closing parenthesis.
std::set<std::string> public_headers(const SourceTree& tree) {
  std::set<std::string> headers;
  for (const auto& [path, lines] : tree) {
    if (!has_suffix(path, "/CMakeLists.txt")) continue;
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    bool in_headers = false;
    for (const std::string& line : lines) {
      std::istringstream words(line.substr(0, line.find('#')));
      for (std::string word; words >> word;) {
        if (word.back() == ')') word.pop_back();
        if (has_suffix(word, ".hpp") || has_suffix(word, ".h")) {
          if (in_headers) headers.insert(folder + word);
        } else {
          in_headers = word == "HEADERS";
        }
      }
    }
  }
  return headers;
}

template <class Visit>  // visit(path, line number, include target, is_quoted)
void each_include(const SourceTree& tree, Visit visit) {
  for (const auto& [path, lines] : tree) {
    if (!is_cpp(path)) continue;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      bool is_quoted = false;
      const std::string target = include_target(lines[i], is_quoted);
      if (!target.empty()) visit(path, i + 1, target, is_quoted);
    }
  }
}

}  // namespace

Findings check_arrows(const SourceTree& tree) {
  Findings findings;
  each_include(tree, [&](const std::string& path, std::size_t line, const std::string& target,
                         bool is_quoted) {
    // Highway's headers want quotes.
    if (!is_quoted || target.starts_with("hwy/")) return;
    if (tree.count(target) == 0) {
      findings.push_back({path, line, "\"" + target + "\" is not a file from the root"});
      return;
    }
    const std::string_view from = top_folder(path);
    const auto arrow = kArrows.find(from);
    if (arrow == kArrows.end() || is_under(target, from)) return;
    if (!is_under_any(target, arrow->second)) {
      findings.push_back({path, line, std::string(from) + "/ may not include " + target});
    }
  });
  return findings;
}

Findings check_one_dependency_one_folder(const SourceTree& tree) {
  Findings findings;
  each_include(tree, [&](const std::string& path, std::size_t line, const std::string& target,
                         bool /*is_quoted*/) {
    if (is_test_or_bench(path)) return;
    for (const Dependency& dependency : kDependencies) {
      if (!starts_with_any(target, dependency.headers)) continue;
      if (!is_under_any(path, dependency.folders)) {
        findings.push_back({path, line,
                            std::string(dependency.name) + " belongs in " +
                                std::string(dependency.folders.front()) + "/ only"});
      }
    }
  });
  return findings;
}

Findings check_public_headers(const SourceTree& tree) {
  Findings findings;
  for (const std::string& path : public_headers(tree)) {
    const auto file = tree.find(path);
    if (file == tree.end() || is_test_or_bench(path)) continue;
    for (std::size_t i = 0; i < file->second.size(); ++i) {
      const std::string& line = file->second[i];
      bool is_quoted = false;
      const std::string target = include_target(line, is_quoted);
      for (const Dependency& dependency : kDependencies) {
        bool is_named = !target.empty() && starts_with_any(target, dependency.headers);
        for (const std::string_view word : dependency.words) {
          is_named = is_named || has_word_beginning(code_of(line), word);
        }
        if (is_named) {
          findings.push_back(
              {path, i + 1, "a public header names " + std::string(dependency.name)});
        }
      }
    }
  }
  return findings;
}

Findings check_backend_conditionals(const SourceTree& tree) {
  static const Paths kAllowed{"kernels/core", "kernels/kv", "kernels/stages", "comm/bootstrap",
                              "runtime/engine"};
  Findings findings;
  for (const auto& [path, lines] : tree) {
    if (!is_cpp(path) || is_test_or_bench(path) || is_under_any(path, kAllowed)) continue;
    if (has_suffix(path, "/registry.cpp")) continue;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].starts_with("#if") && (lines[i].find("SLUICE_CUDA") != std::string::npos ||
                                          lines[i].find("SLUICE_HAS_") != std::string::npos)) {
        findings.push_back({path, i + 1, "asks which backends are compiled"});
      }
    }
  }
  return findings;
}

}  // namespace sluice::tidy
