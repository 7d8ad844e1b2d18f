// SPDX-License-Identifier: Apache-2.0
// Tokens per second of prefill, and its share of what the products alone would allow: JSON on
// stdout, a table on stderr. One process measures one compute type, so that its peak memory is its.
#include <ATen/Parallel.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <c10/core/InferenceMode.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/engine/engine.hpp"

namespace sluice::runtime {
namespace {

struct Options {
  std::string model;
  std::string compute = "auto";
  std::string commit = "unknown";
  std::string tokens_file;  // white-space separated ids; empty: random ones
  std::vector<std::int64_t> lengths{1024, 4096};
  int runs = 5;
  int threads = 0;
  bool is_interactive = false;  // a line "LENGTH" on stdin runs once and prints its seconds
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string machine() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

double peak_mebibytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

// One layer's products on `tokens` rows with LibTorch's ordinary linear, over and over: seconds for
// all layers. What the engine's own products and everything else come on top of or under.
double products_seconds(const ModelSpec& spec, ComputeType compute, std::int64_t tokens) {
  const c10::InferenceMode no_autograd;
  const auto type = compute == ComputeType::kBF16 ? at::kBFloat16 : at::kFloat;
  const auto width = spec.heads * spec.head_dim;
  const std::int64_t shapes[][2] = {{width + 2 * spec.kv_width(), spec.hidden},
                                    {spec.hidden, width},
                                    {2 * spec.ffn, spec.hidden},
                                    {spec.hidden, spec.ffn}};
  double total = 0;
  for (const auto& [outputs, inputs] : shapes) {
    const at::Tensor x = at::randn({tokens, inputs}).to(type);
    const at::Tensor weight = at::randn({outputs, inputs}).to(type);
    std::vector<double> times;
    for (int run = 0; run < 7; ++run) {
      const double started = seconds_now();
      at::linear(x, weight);
      times.push_back(seconds_now() - started);
    }
    total += median(times);
  }
  return total * static_cast<double>(spec.layers);
}

class Runner {
 public:
  static Result<Runner> create(const Options& options) {
    Runner runner;
    const auto model = SLUICE_TRY(ModelFile::open(options.model));
    EngineOptions engine{.threads = options.threads};
    if (options.compute == "f32") engine.compute = ComputeType::kF32;
    if (options.compute == "bf16") engine.compute = ComputeType::kBF16;
    runner.engine_ = SLUICE_TRY(PrefillEngine::create(*model, engine, {}));
    const ModelSpec& spec = runner.engine_->spec();
    const auto longest = *std::max_element(options.lengths.begin(), options.lengths.end());
    runner.pool_ = SLUICE_TRY(KvPool::create(
        {spec.layers, spec.kv_heads, spec.head_dim, DType::kBF16}, kv_blocks_for(longest)));
    std::ifstream file(options.tokens_file);
    for (TokenId id = 0; file >> id;) runner.tokens_.push_back(id);
    std::mt19937 generator(1);
    std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(spec.vocab - 1));
    while (static_cast<std::int64_t>(runner.tokens_.size()) < longest) {
      runner.tokens_.push_back(any(generator));
    }
    return runner;
  }

  // Seconds of one prompt of `length` tokens up to the last token's logits.
  Result<double> run(std::int64_t length) {
    KvSequence sequence{.blocks = SLUICE_TRY(pool_->acquire(kv_blocks_for(length))), .tokens = 0};
    std::vector<float> logits(static_cast<std::size_t>(engine_->spec().vocab));
    const double started = seconds_now();
    SLUICE_TRY(engine_->prefill(
        *pool_, sequence, std::span(tokens_).first(static_cast<std::size_t>(length)), {}, logits));
    const double elapsed = seconds_now() - started;
    pool_->release(sequence.blocks);
    return elapsed;
  }

  const PrefillEngine& engine() const { return *engine_; }

 private:
  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
  std::vector<TokenId> tokens_;
};

Result<nlohmann::json> measure(Runner& runner, const Options& options, std::int64_t length) {
  SLUICE_TRY(runner.run(length));  // fills the caches and LibTorch's table of compiled products
  std::vector<double> rates, shares;
  for (int run = 0; run < options.runs; ++run) {
    const double seconds = SLUICE_TRY(runner.run(length));
    const double products =
        products_seconds(runner.engine().spec(), runner.engine().compute(), length);
    rates.push_back(static_cast<double>(length) / seconds);
    shares.push_back(products / seconds);
  }
  std::fprintf(stderr, "%-5s %8ld %14.0f %16.0f %9.0f %%\n",
               runner.engine().compute() == ComputeType::kBF16 ? "bf16" : "f32",
               static_cast<long>(length), median(rates), median(rates) / median(shares),
               100 * median(shares));
  return nlohmann::json{{"tokens", length},
                        {"tokens_per_second", median(rates)},
                        {"tokens_per_second_runs", rates},
                        {"product_limit_tokens_per_second", median(rates) / median(shares)},
                        {"share_of_product_limit", median(shares)}};
}

Result<void> interact(Runner& runner) {
  std::puts("ready");
  std::fflush(stdout);
  for (long length = 0; std::scanf("%ld", &length) == 1;) {
    std::printf("%.6f\n", SLUICE_TRY(runner.run(length)));
    std::fflush(stdout);
  }
  std::printf("%.1f\n", peak_mebibytes());
  return {};
}

Result<void> bench(const Options& options) {
  auto runner = SLUICE_TRY(Runner::create(options));
  if (options.is_interactive) return interact(runner);
  const bool is_bf16 = runner.engine().compute() == ComputeType::kBF16;
  std::fprintf(stderr, "%-5s %8s %14s %16s %11s\n", "type", "tokens", "tokens/s", "products alone",
               "share");
  nlohmann::json results = nlohmann::json::array();
  for (const std::int64_t length : options.lengths) {
    results.push_back(SLUICE_TRY(measure(runner, options, length)));
  }
  const nlohmann::json document{{"bench", "engine/prefill"},
                                {"commit", options.commit},
                                {"machine", machine()},
                                {"compute", is_bf16 ? "bf16" : "f32"},
                                {"threads", at::get_num_threads()},
                                {"weight_bytes", runner.engine().weight_bytes()},
                                {"peak_memory_mib", peak_mebibytes()},
                                {"results", results}};
  std::printf("%s\n", document.dump(2).c_str());
  return {};
}

}  // namespace
}  // namespace sluice::runtime

int main(int argc, char** argv) {
  sluice::runtime::Options options;
  CLI::App app("Tokens per second of prefill");
  app.add_option("model", options.model, "A .gguf file or a Hugging Face folder")->required();
  app.add_option("--compute", options.compute, "auto, f32 or bf16")
      ->check(CLI::IsMember({"auto", "f32", "bf16"}));
  app.add_option("--lengths", options.lengths, "Prompt lengths in tokens");
  app.add_option("--runs", options.runs, "Runs of each length; the median is reported");
  app.add_option("--threads", options.threads, "0: all cores");
  app.add_option("--tokens-file", options.tokens_file, "Token ids of the prompt");
  app.add_option("--commit", options.commit, "Goes into the JSON");
  app.add_flag("--interactive", options.is_interactive, "One run for each length read from stdin");
  CLI11_PARSE(app, argc, argv);
  const auto done = sluice::runtime::bench(options);
  if (!done) std::fprintf(stderr, "prefill bench: %s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
