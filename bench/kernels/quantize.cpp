// SPDX-License-Identifier: Apache-2.0
// Quantizers on one core, side by side with memcpy: `bench_quantize [--rows 32768] [--columns 1024]
// [--tile 64] [--rounds 9]`. JSON on the standard output, a table on the standard error.
//
// GB/s are of the plane as BF16, two bytes for each number, whatever the stage reads or writes.
// "quantize" is the stage alone, FP32 to symbols; "encode" is BF16 to FP32, quantize, pack to bits,
// tile after tile, as a pipeline does it; "decode" is the way back. Medians of the rounds.
#include <omp.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "kernels/elementwise/convert.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"
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
  std::int64_t rows = 32768;
  std::int64_t columns = 1024;
  std::int64_t tile = 64;
  int rounds = 9;
};

struct Case {
  const char* label;
  const char* stage;
  ParameterMap parameters;
};

std::vector<Case> cases() {
  const std::string channel = "channel";
  return {{"int8", "rtn", {{"bits", 8.0}}},
          {"int4", "rtn", {{"bits", 4.0}}},
          {"int3", "rtn", {{"bits", 3.0}}},
          {"int2", "rtn", {{"bits", 2.0}}},
          {"int4 symmetric", "rtn", {{"bits", 4.0}, {"symmetric", true}}},
          {"int4 per channel", "rtn", {{"bits", 4.0}, {"axis_key", channel}}},
          {"int4 group 40", "rtn", {{"bits", 4.0}, {"group", 40.0}}},
          {"fp8", "fp8", {}},
          {"mxfp4", "mxfp4", {}},
          {"nvfp4", "nvfp4", {}},
          {"uniform", "uniform", {{"step", 0.05}}},
          {"turbo 4 bits", "turbo", {{"bits", 4.0}, {"group", 128.0}}}};
}

template <class T>
T need(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "bench_quantize: %s\n", result.error().message.c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

// Keeps the compiler from leaving out work whose result nobody reads.
void keep(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        bf16_(elements()),
        copy_(elements()),
        tile_(static_cast<std::size_t>(options.tile * options.columns)) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (std::uint16_t& value : bf16_) value = bf16_from_f32(normal(random));
    shape_ = {.layers = 1, .kv_heads = 1, .head_dim = options.columns, .rope = {}};
    plane_.shape = &shape_;
    plane_.head_count = 1;
  }

  // Median GB/s of `work`, which goes over the whole plane once.
  double rate(const std::function<void()>& work) const {
    std::vector<double> seconds;
    for (int round = 0; round <= options_.rounds; ++round) {
      const double start = thread_seconds();
      work();
      const double passed = thread_seconds() - start;
      if (round > 0) seconds.push_back(passed);  // the first one warms up
    }
    std::nth_element(seconds.begin(), seconds.begin() + options_.rounds / 2, seconds.end());
    return 2e-9 * static_cast<double>(elements()) /
           seconds[static_cast<std::size_t>(options_.rounds / 2)];
  }

  double copy_rate() {
    return rate([&] {
      std::memcpy(copy_.data(), bf16_.data(), 2 * elements());
      keep(copy_.data());
    });
  }

  nlohmann::json run(const Case& what) {
    const StageRow* row = find_stage(what.stage);
    if (row == nullptr) need<int>(make_error(ErrorCode::kNotFound, "no such stage"));
    const auto parameters = need(Parameters::parse(row->name, row->parameters, what.parameters));
    const auto stage = need(row->create(parameters));
    const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
    load_tile(0);
    ByteWriter head;
    const auto encoder = need(quantize.begin_encode(plane_, options_.columns, tile(), head));
    ByteReader reader(head.bytes());
    const auto decoder = need(quantize.begin_decode(plane_, options_.columns, reader));
    const SymbolShape& shape = encoder->symbols();
    symbols_.resize(tile_.size());
    packed_.assign(tiles(), std::vector<std::byte>(packed_bytes(shape, options_.tile)));
    side_.assign(tiles(), std::vector<std::byte>(encoder->side_bytes_max(options_.tile)));
    const double alone = rate([&] {
      for (std::size_t t = 0; t < tiles(); ++t) encode_tile(*encoder, t);
    });
    const double encode = rate([&] {
      for (std::size_t t = 0; t < tiles(); ++t) {
        load_tile(t);
        encode_tile(*encoder, t);
        pack_symbols(shape, options_.tile, symbols_.data(), packed_[t].data());
      }
      keep(packed_.data());
    });
    const double decode = rate([&] {
      for (std::size_t t = 0; t < tiles(); ++t) {
        if (!unpack_symbols(shape, options_.tile, packed_[t], symbols_.data())) std::abort();
        need(decoder->decode(0, symbols_.data(), side_[t], tile()));
        convert_rows(options_.tile, options_.columns, {tile_.data(), DType::kF32, options_.columns},
                     {copy_.data() + t * tile_.size(), DType::kBF16, options_.columns});
      }
      keep(copy_.data());
    });
    return {{"case", what.label}, {"quantize", alone}, {"encode", encode}, {"decode", decode}};
  }

 private:
  std::size_t elements() const {
    return static_cast<std::size_t>(options_.rows * options_.columns);
  }
  std::size_t tiles() const { return static_cast<std::size_t>(options_.rows / options_.tile); }
  Matrix tile() { return {tile_.data(), options_.tile, options_.columns, options_.columns}; }
  void load_tile(std::size_t t) {
    convert_rows(options_.tile, options_.columns,
                 {bf16_.data() + t * tile_.size(), DType::kBF16, options_.columns},
                 {tile_.data(), DType::kF32, options_.columns});
  }
  void encode_tile(QuantizePlan& encoder, std::size_t t) {
    const auto row_first = static_cast<std::int64_t>(t) * options_.tile;
    encoder.encode(row_first, tile(), symbols_.data(), side_[t].data());
    keep(symbols_.data());
  }

  Options options_;
  std::vector<std::uint16_t> bf16_;
  std::vector<std::uint16_t> copy_;
  std::vector<float> tile_;
  std::vector<std::uint8_t> symbols_;
  std::vector<std::vector<std::byte>> packed_;
  std::vector<std::vector<std::byte>> side_;
  CacheShape shape_;
  Plane plane_;
};

}  // namespace

int main_of(int count, char** arguments) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = arguments[i];
    const std::int64_t value = std::max<std::int64_t>(1, std::atoll(arguments[i + 1]));
    if (name == "--rows") options.rows = value;
    if (name == "--columns") options.columns = value;
    if (name == "--tile") options.tile = value;
    if (name == "--rounds") options.rounds = static_cast<int>(value);
  }
  options.rows = std::max(options.rows / options.tile, std::int64_t{1}) * options.tile;
  omp_set_num_threads(1);
  Bench bench(options);
  nlohmann::json report = {{"rows", options.rows}, {"columns", options.columns}, {"unit", "GB/s"}};
  std::fprintf(stderr, "%-20s %8s %8s %8s %8s   encode, decode: share of memcpy\n", "", "memcpy",
               "quantize", "encode", "decode");
  for (const Case& what : cases()) {
    auto result = bench.run(what);
    const double copy = bench.copy_rate();  // beside each case: the machine may be shared
    result["memcpy"] = copy;
    const double encode = result["encode"];
    const double decode = result["decode"];
    std::fprintf(stderr, "%-20s %8.2f %8.2f %8.2f %8.2f   %3.0f %%, %3.0f %%\n", what.label, copy,
                 result["quantize"].get<double>(), encode, decode, 100 * encode / copy,
                 100 * decode / copy);
    report["cases"].push_back(std::move(result));
  }
  std::printf("%s\n", report.dump(2).c_str());
  return 0;
}

}  // namespace sluice::kernels

int main(int count, char** arguments) { return sluice::kernels::main_of(count, arguments); }
