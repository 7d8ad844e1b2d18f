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
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/stages/select/score_collector.hpp"
#include "runtime/engine/engine.hpp"
#include "runtime/engine/rope.hpp"

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
  std::string scores = "none";  // what selection would have scored along the way
  std::int64_t window_tokens = 64;
  bool is_interactive = false;  // a line "LENGTH" on stdin runs once and prints its seconds
};

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of all threads of this process: what a busy machine does not stretch.
double cpu_seconds_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

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

kernels::ScoreNeeds needs_of(const Options& options) {
  if (options.scores == "q2c") return {.window_tokens = options.window_tokens, .question = true};
  if (options.scores == "h2o") return {.accumulated = true};
  if (options.scores == "expected") return {.expected = true, .output_norm = true};
  if (options.scores == "squeeze") return {.similarity = true};
  return {};
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
    runner.needs_ = needs_of(options);
    const RopeFrequencies rope =
        RopeFrequencies::build(model->spec().rope, model->weight(WeightRole::kRopeFactors));
    runner.rope_ = {rope.radians_per_position, rope.attention_factor,
                    model->spec().rope.style == RopeStyle::kInterleaved};
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
  Result<double> run(std::int64_t length) { return run(length, {}); }

  // The same with scoring; seconds are of all.
  Result<double> run_scored(std::int64_t length) {
    const ModelSpec& spec = engine_->spec();
    kernels::ScoreCollector collector(
        {.needs = needs_,
         .shape = {spec.layers, spec.kv_heads, spec.head_dim, 0, rope_},
         .heads = spec.heads,
         .tokens = length,
         .output_gram = [this](std::int64_t layer) { return engine_->output_gram(layer); }});
    Status scored;
    const PrefillObserver observer{.first_token = collector.first_token(),
                                   .similarity = collector.wants_similarity(),
                                   .observe = [&](const kernels::LayerQueries& piece) {
                                     if (Status one = collector.observe(piece); !one) {
                                       scored = std::move(one);
                                     }
                                   }};
    const double seconds = SLUICE_TRY(run(length, {{}, &observer}));
    SLUICE_TRY(scored);
    collector_seconds_ = collector.seconds();
    return seconds;
  }
  double collector_seconds() const { return collector_seconds_; }  // of the last scored run
  double cpu_seconds() const { return cpu_seconds_; }              // of the last run
  bool scores() const { return needs_.any(); }

  const PrefillEngine& engine() const { return *engine_; }

 private:
  Result<double> run(std::int64_t length, const PrefillHooks& hooks) {
    KvSequence sequence{.blocks = SLUICE_TRY(pool_->acquire(kv_blocks_for(length))), .tokens = 0};
    std::vector<float> logits(static_cast<std::size_t>(engine_->spec().vocab));
    const double cpu_started = cpu_seconds_now();
    const double started = seconds_now();
    SLUICE_TRY(engine_->prefill(*pool_, sequence,
                                std::span(tokens_).first(static_cast<std::size_t>(length)), hooks,
                                logits));
    const double elapsed = seconds_now() - started;
    cpu_seconds_ = cpu_seconds_now() - cpu_started;
    pool_->release(sequence.blocks);
    return elapsed;
  }

  std::unique_ptr<PrefillEngine> engine_;
  std::unique_ptr<KvPool> pool_;
  std::vector<TokenId> tokens_;
  kernels::ScoreNeeds needs_;
  kernels::RopeAngles rope_;
  double collector_seconds_ = 0.0;
  double cpu_seconds_ = 0.0;
};

Result<nlohmann::json> measure(Runner& runner, const Options& options, std::int64_t length) {
  SLUICE_TRY(runner.run(length));  // fills the caches and LibTorch's table of compiled products
  std::vector<double> rates, shares, score_costs, cpu_costs, collector_shares;
  if (runner.scores()) SLUICE_TRY(runner.run_scored(length));
  for (int run = 0; run < options.runs; ++run) {
    const double seconds = SLUICE_TRY(runner.run(length));
    const double cpu_seconds = runner.cpu_seconds();
    const double products =
        products_seconds(runner.engine().spec(), runner.engine().compute(), length);
    rates.push_back(static_cast<double>(length) / seconds);
    shares.push_back(products / seconds);
    if (runner.scores()) {
      score_costs.push_back(SLUICE_TRY(runner.run_scored(length)) / seconds - 1);
      cpu_costs.push_back(runner.cpu_seconds() / cpu_seconds - 1);
      collector_shares.push_back(runner.collector_seconds() / seconds);
    }
  }
  std::fprintf(stderr, "%-5s %8ld %14.0f %16.0f %9.0f %%\n",
               runner.engine().compute() == ComputeType::kBF16 ? "bf16" : "f32",
               static_cast<long>(length), median(rates), median(rates) / median(shares),
               100 * median(shares));
  nlohmann::json row{{"tokens", length},
                     {"tokens_per_second", median(rates)},
                     {"tokens_per_second_runs", rates},
                     {"product_limit_tokens_per_second", median(rates) / median(shares)},
                     {"share_of_product_limit", median(shares)}};
  if (runner.scores()) {
    row["scores"] = options.scores;
    // Of the prefill just before it, everything counted: by the clock, and in CPU time.
    row["scoring_cost"] = median(score_costs);
    row["scoring_cost_runs"] = score_costs;
    row["scoring_cost_cpu"] = median(cpu_costs);
    row["scoring_cost_cpu_runs"] = cpu_costs;
    row["scoring_cost_of_collector"] = median(collector_shares);
    std::fprintf(stderr,
                 "      scoring %-8s costs %.1f %% of prefill, %.1f %% of its CPU time (the "
                 "collector took %.1f %%)\n",
                 options.scores.c_str(), 100 * median(score_costs), 100 * median(cpu_costs),
                 100 * median(collector_shares));
  }
  return row;
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
  app.add_option("--scores", options.scores, "Score tokens along the way: the cost is reported")
      ->check(CLI::IsMember({"none", "q2c", "h2o", "expected", "squeeze"}));
  app.add_option("--window", options.window_tokens, "Tokens whose attention q2c sums");
  app.add_option("--commit", options.commit, "Goes into the JSON");
  app.add_flag("--interactive", options.is_interactive, "One run for each length read from stdin");
  CLI11_PARSE(app, argc, argv);
  const auto done = sluice::runtime::bench(options);
  if (!done) std::fprintf(stderr, "prefill bench: %s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
