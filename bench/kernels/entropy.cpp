// SPDX-License-Identifier: Apache-2.0
// Entropy stages on one core, side by side with memcpy: `bench_entropy [--rows 4096]
// [--columns 192] [--rounds 9] [--only NAME] [--write FILE]`. JSON on the standard output, a table
// on the standard error. bench/kernels/entropy_peers.py compares with torchac and constriction.
//
// Symbols are of columns as quantized keys have them: rounded Gaussians (Laplacians) whose
// deviation and middle differ by column. GB/s are of symbols, one byte each, medians of the rounds.
// "over" is the size over the cross entropy of the symbols under the calibrated distribution of
// each column (learnt from other symbols of the same kind), in per cent. --write keeps the first
// case's symbols, [rows][columns] bytes, for the peers.
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "kernels/stages/registry.hpp"

namespace sluice::kernels {
namespace {

// Seconds of this thread on a core: what other processes take does not count.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Options {
  std::int64_t rows = 4096;
  std::int64_t columns = 192;
  int rounds = 9;
  std::string only;
  std::string write;
};

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "bench_entropy: %s\n", message.c_str());
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(result).value();
}
void need(const Status& status) {
  if (!status) fail(status.error().message);
}

struct Symbols {
  const char* name;
  int bits;
  bool is_laplace;
};
constexpr Symbols kSymbols[] = {{"gauss 4 bit", 4, false},
                                {"laplace 4 bit", 4, true},
                                {"gauss 2 bit", 2, false},
                                {"gauss 8 bit", 8, false}};
struct Coder {
  const char* stage;
  const char* tables;
};
constexpr Coder kCoders[] = {{"rans", "static"}, {"rans", "adaptive"}, {"arithmetic", "static"}};

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    cache_.layers = 1;
    cache_.kv_heads = 1;
    cache_.head_dim = options.columns;
    plane_.shape = &cache_;
    plane_.tables = "bench";
    plane_.head_count = 1;
    decoded_.resize(elements());
  }

  std::vector<std::uint8_t> draw(const Symbols& kind, unsigned seed) const {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::exponential_distribution<double> exponential(std::sqrt(2.0));  // of deviation 1
    const double top = (1 << kind.bits) - 1;
    std::vector<std::uint8_t> symbols(elements());
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      const std::size_t column = i % static_cast<std::size_t>(options_.columns);
      const double deviation = top * (0.04 + 0.2 * static_cast<double>(column % 17) / 17);
      const double middle = top * (0.45 + 0.1 * static_cast<double>(column % 5) / 5);
      double drawn = normal(random);
      if (kind.is_laplace) drawn = std::copysign(exponential(random), drawn);
      const double value = std::rint(middle + deviation * drawn);
      symbols[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0, top));
    }
    return symbols;
  }

  // Bits under each column's distribution in `learnt`, with every symbol possible.
  double cross_entropy_bits(const std::vector<std::uint8_t>& learnt,
                            const std::vector<std::uint8_t>& symbols, int bits) const {
    const auto columns = static_cast<std::size_t>(options_.columns);
    std::vector<double> counts(columns << bits, 1.0 / 256);
    for (std::size_t i = 0; i < learnt.size(); ++i) counts[(i % columns << bits) + learnt[i]] += 1;
    const double total = static_cast<double>(options_.rows) + (1 << bits) / 256.0;
    double sum = 0;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      sum -= std::log2(counts[(i % columns << bits) + symbols[i]] / total);
    }
    return sum;
  }

  nlohmann::json run(const Symbols& kind, const Coder& coder) {
    const std::vector<std::uint8_t> learnt = draw(kind, 1);
    const std::vector<std::uint8_t> symbols = draw(kind, 2);
    if (!options_.write.empty()) {
      std::ofstream(options_.write, std::ios::binary)
          .write(reinterpret_cast<const char*>(symbols.data()),
                 static_cast<std::streamsize>(symbols.size()));
      options_.write.clear();
    }
    const StageRow* row = find_stage(coder.stage);
    if (row == nullptr) fail("no such stage");
    const auto made = need(row->create(need(
        Parameters::parse(row->name, row->parameters, {{"tables", std::string(coder.tables)}}))));
    const auto& stage = dynamic_cast<const EntropyStage&>(*made);
    const Profile profile = calibrate(stage, learnt);
    plane_.profile = &profile;
    SymbolShape shape;
    for (std::int64_t column = 0; column < options_.columns; ++column) {
      shape.bits.push_back(static_cast<std::uint8_t>(kind.bits));
      shape.context.push_back(static_cast<std::uint16_t>(column));
    }
    std::vector<std::byte> coded;
    const double encode = rate([&] {
      ByteWriter out;
      need(stage.encode(plane_, shape, options_.rows, symbols.data(), out));
      coded = out.take();
    });
    const double decode =
        rate([&] { need(stage.decode(plane_, shape, options_.rows, coded, decoded_.data())); });
    if (decoded_ != symbols) fail("decoded symbols differ");
    const double copy = rate([&] {
      std::memcpy(decoded_.data(), symbols.data(), symbols.size());
      asm volatile("" : : "r"(decoded_.data()) : "memory");
    });
    const double bits = static_cast<double>(coded.size()) * 8;
    const double over = 100 * (bits / cross_entropy_bits(learnt, symbols, kind.bits) - 1);
    const double bits_per_symbol = bits / static_cast<double>(symbols.size());
    std::fprintf(stderr, "%-14s %-10s %-9s %8.3f %8.2f %9.3f %9.3f %9.2f\n", kind.name, coder.stage,
                 coder.tables, bits_per_symbol, over, encode, decode, copy);
    return {{"symbols", kind.name},         {"stage", coder.stage},
            {"tables", coder.tables},       {"bits_per_symbol", bits_per_symbol},
            {"over_entropy_percent", over}, {"encode_gb_per_s", encode},
            {"decode_gb_per_s", decode},    {"memcpy_gb_per_s", copy}};
  }

 private:
  std::size_t elements() const {
    return static_cast<std::size_t>(options_.rows * options_.columns);
  }

  Profile calibrate(const EntropyStage& stage, const std::vector<std::uint8_t>& learnt) const {
    Profile profile;
    const auto calibration = stage.calibration();
    if (calibration == nullptr) return profile;
    const std::vector<float> values(learnt.begin(), learnt.end());
    need(calibration->observe(plane_,
                              {values.data(), options_.rows, options_.columns, options_.columns}));
    need(calibration->finish(profile));
    return profile;
  }

  // Median GB/s of symbols of `work`, which goes over the whole plane once.
  double rate(const std::function<void()>& work) const {
    std::vector<double> seconds;
    for (int round = 0; round <= options_.rounds; ++round) {
      const double start = thread_seconds();
      work();
      if (round > 0) seconds.push_back(thread_seconds() - start);  // the first one warms up
    }
    const auto middle = seconds.begin() + options_.rounds / 2;
    std::nth_element(seconds.begin(), middle, seconds.end());
    return 1e-9 * static_cast<double>(elements()) / *middle;
  }

  Options options_;
  CacheShape cache_;
  Plane plane_;
  std::vector<std::uint8_t> decoded_;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 >= argc) fail("no value for " + name);
    const char* value = argv[i + 1];
    if (name == "--only") {
      options.only = value;
    } else if (name == "--write") {
      options.write = value;
    } else if (name == "--rows") {
      options.rows = std::max(1LL, std::strtoll(value, nullptr, 10));
    } else if (name == "--columns") {
      options.columns = std::max(1LL, std::strtoll(value, nullptr, 10));
    } else if (name == "--rounds") {
      options.rounds = std::max(1, std::atoi(value));
    } else {
      fail("unknown option " + name);
    }
  }
  return options;
}

void run(const Options& options) {
  Bench bench(options);
  std::fprintf(stderr, "%-14s %-10s %-9s %8s %8s %9s %9s %9s\n", "symbols", "stage", "tables",
               "bits", "over %", "encode", "decode", "memcpy");
  nlohmann::json report = {{"rows", options.rows},
                           {"columns", options.columns},
                           {"rounds", options.rounds},
                           {"results", nlohmann::json::array()}};
  for (const Symbols& kind : kSymbols) {
    if (!options.only.empty() && options.only != kind.name) continue;
    for (const Coder& coder : kCoders) report["results"].push_back(bench.run(kind, coder));
  }
  std::printf("%s\n", report.dump(2).c_str());
}

}  // namespace
}  // namespace sluice::kernels

int main(int argc, char** argv) {
  sluice::kernels::run(sluice::kernels::parse(argc, argv));
  return 0;
}
