// SPDX-License-Identifier: Apache-2.0
// Tokens per second of the CPU decode engine: JSON on stdout, a table on stderr.
//
// The cache is filled with noise up to the context length, since the time of a step depends on how
// many tokens it attends to and not on which; then each run decodes greedily from there.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "runtime/engine/decode_cpu.hpp"
#include "runtime/engine/sampler.hpp"
#include "runtime/kv/kv_pool.hpp"
#include "runtime/model/model_file.hpp"

namespace sluice::runtime {
namespace {

struct Options {
  std::string model;
  std::string commit = "unknown";
  std::vector<std::int64_t> contexts{128, 1024, 4096};
  std::vector<std::int64_t> batches{1};
  std::int64_t tokens = 64;
  int runs = 5;
  int threads = 0;
};

std::string machine() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

void fill_with_noise(KvPool& pool) {
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  std::vector<std::uint16_t> values(pool.block_bytes() / sizeof(std::uint16_t));
  for (auto& value : values) value = bf16_from_f32(normal(generator));
  for (std::int64_t layer = 0; layer < pool.shape().layers; ++layer) {
    for (std::int64_t block = 0; block < pool.blocks(); ++block) {
      std::memcpy(pool.block(layer, static_cast<KvBlockId>(block)), values.data(),
                  pool.block_bytes());
    }
  }
}

// Tokens per second of one run over `batch` sequences from `context` tokens on.
Result<double> run_once(DecodeEngine& engine, KvPool& pool, std::vector<KvSequence>& sequences,
                        std::int64_t context, std::int64_t tokens) {
  std::vector<KvSequence*> pointers;
  for (KvSequence& sequence : sequences) {
    sequence.tokens = context;
    pointers.push_back(&sequence);
  }
  const auto vocab = static_cast<std::size_t>(engine.spec().vocab);
  std::vector<TokenId> inputs(sequences.size(), 1);
  std::vector<float> logits(sequences.size() * vocab);
  const auto started = std::chrono::steady_clock::now();
  for (std::int64_t i = 0; i < tokens; ++i) {
    SLUICE_TRY(engine.decode(pool, pointers, inputs, logits));
    for (std::size_t m = 0; m < inputs.size(); ++m) {
      inputs[m] = sample(std::span(logits).subspan(m * vocab, vocab), {}, i);
    }
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  return static_cast<double>(tokens) * static_cast<double>(sequences.size()) / elapsed.count();
}

Result<nlohmann::json> measure(DecodeEngine& engine, const Options& options, std::int64_t context,
                               std::int64_t batch) {
  const ModelSpec& spec = engine.spec();
  const std::int64_t blocks = kv_blocks_for(context + options.tokens);
  auto pool = SLUICE_TRY(
      KvPool::create({spec.layers, spec.kv_heads, spec.head_dim, DType::kBF16}, blocks * batch));
  fill_with_noise(*pool);
  std::vector<KvSequence> sequences(static_cast<std::size_t>(batch));
  for (KvSequence& sequence : sequences) sequence.blocks = SLUICE_TRY(pool->acquire(blocks));
  SLUICE_TRY(
      run_once(engine, *pool, sequences, context, std::min<std::int64_t>(8, options.tokens)));
  std::vector<double> rates;
  for (int run = 0; run < options.runs; ++run) {
    rates.push_back(SLUICE_TRY(run_once(engine, *pool, sequences, context, options.tokens)));
  }
  std::sort(rates.begin(), rates.end());
  const double median = rates[rates.size() / 2];
  std::fprintf(stderr, "%8lld %6lld %14.1f %10.1f %10.1f\n", static_cast<long long>(context),
               static_cast<long long>(batch), median, rates.front(), rates.back());
  return nlohmann::json{{"context_tokens", context},
                        {"batch", batch},
                        {"tokens_per_s", median},
                        {"tokens_per_s_min", rates.front()},
                        {"tokens_per_s_max", rates.back()}};
}

Status bench(const Options& options) {
  const auto model = SLUICE_TRY(ModelFile::open(options.model));
  const auto engine = SLUICE_TRY(create_decode_cpu(*model, {.threads = options.threads}));
  std::fprintf(stderr, "%8s %6s %14s %10s %10s\n", "context", "batch", "tokens/s", "min", "max");
  nlohmann::json results = nlohmann::json::array();
  for (const std::int64_t context : options.contexts) {
    for (const std::int64_t batch : options.batches) {
      results.push_back(SLUICE_TRY(measure(*engine, options, context, batch)));
    }
  }
  const nlohmann::json report{
      {"bench", "engine/decode"},   {"commit", options.commit},
      {"machine", machine()},       {"cores", std::thread::hardware_concurrency()},
      {"threads", options.threads}, {"model", model->spec().name},
      {"tokens", options.tokens},   {"runs", options.runs},
      {"results", results}};
  std::printf("%s\n", report.dump(2).c_str());
  return {};
}

}  // namespace
}  // namespace sluice::runtime

int main(int argc, char** argv) {
  sluice::runtime::Options options;
  CLI::App app("Tokens per second of the CPU decode engine");
  app.add_option("model", options.model, "A GGUF file or Hugging Face folder")->required();
  app.add_option("--commit", options.commit, "Put into the report");
  app.add_option("--context", options.contexts, "Tokens in the cache at the start");
  app.add_option("--batch", options.batches, "Sequences decoded together");
  app.add_option("--tokens", options.tokens, "Tokens decoded in a run")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--runs", options.runs, "Runs, of which the median counts")
      ->check(CLI::Range(1, 1000));
  app.add_option("--threads", options.threads, "0: all cores this process may use");
  CLI11_PARSE(app, argc, argv);
  const auto status = sluice::runtime::bench(options);
  if (status) return 0;
  std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return 1;
}
