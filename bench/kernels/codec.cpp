// SPDX-License-Identifier: Apache-2.0
// Whole pipelines on one core, side by side with memcpy: `bench_codec [--presets FOLDER]
// [--pipelines NAME ...] [--inputs NAME ...] [--cache FILE] [--profile FILE] [--rounds 5]`. JSON on
// the standard output, a table on the standard error.
//
// A frame for each layer, Pipeline::encode and FrameDecoder::decode, checksums and all. GB/s are of
// the cache as BF16; medians of rounds in which memcpy of the same pages, encoding and decoding
// take turns, in this thread's CPU time. "memory" is the most that encoding a layer had allocated
// beyond the cache and the frame, as a share of that layer in FP32.
//
// Inputs: "cache", a real one (`sluice codec dump`), and synthetic ones of models' shapes, with
// scores that are random. A pipeline that needs a profile is left out without one of the input's
// model; --calibrate learns it from a synthetic text where the input is synthetic.
#include <malloc.h>
#include <omp.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/pipeline/frame.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "runtime/codec/cache_file.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/model/profile_file.hpp"

namespace {

// What this program has allocated, and the most since reset_peak(). One thread allocates here.
struct Heap {
  std::size_t now = 0;
  std::size_t peak = 0;
};
Heap heap;

void* allocate(std::size_t bytes, std::size_t alignment) {
  alignment = std::max<std::size_t>(alignment, 64);  // as pools of KV blocks are
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + alignment - 1) & ~(alignment - 1);
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) std::abort();
  heap.now += malloc_usable_size(memory);
  heap.peak = std::max(heap.peak, heap.now);
  return memory;
}
void release(void* memory) {
  if (memory != nullptr) heap.now -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t bytes) { return allocate(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace sluice {
namespace {

using kernels::CacheShape;
using kernels::KvPages;
using kernels::LayerScores;
using kernels::PipelineSpec;
using kernels::Profile;

constexpr std::int64_t kBlockTokens = 64;  // of synthetic caches, as workers have them
constexpr std::int64_t kCalibrationTokens = 1024;

// Seconds of this thread on a core: what other processes take does not count.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "bench_codec: %s\n", message.c_str());
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

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Options {
  std::string presets = "configs/pipelines";
  std::vector<std::string> pipelines = {
      "raw",       "int8",     "int4",     "int2", "kivi4", "fp8",  "mxfp4",    "nvfp4",
      "int4+rans", "cachegen", "kvquant3", "kvtc", "svd64", "gear", "q2c+int4", "best"};
  std::vector<std::string> inputs;
  std::string cache;
  std::string profile;
  bool calibrates = false;
  int rounds = 5;
};

// BF16 pages that belong to it, by layer; blocks lie one after another.
class PagedCache {
 public:
  PagedCache(const CacheShape& shape, std::int64_t tokens, std::int64_t block_tokens)
      : shape_(shape), tokens_(tokens), block_tokens_(block_tokens) {
    blocks_ = (tokens + block_tokens - 1) / block_tokens;
    for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
      memory_.emplace_back(layer_elements());
      auto& starts = starts_.emplace_back();
      for (std::int64_t block = 0; block < blocks_; ++block) {
        starts.push_back(reinterpret_cast<std::byte*>(
            memory_.back().data() + static_cast<std::size_t>(block * block_elements())));
      }
    }
  }

  std::int64_t tokens() const { return tokens_; }
  const CacheShape& shape() const { return shape_; }
  std::size_t bytes() const { return memory_.size() * layer_elements() * 2; }
  std::vector<std::uint16_t>& layer(std::int64_t l) { return memory_[static_cast<std::size_t>(l)]; }
  std::uint16_t* row(std::int64_t l, std::int64_t plane, std::int64_t token) {
    return layer(l).data() + token / block_tokens_ * block_elements() +
           (plane * block_tokens_ + token % block_tokens_) * shape_.head_dim;
  }
  std::vector<KvPages> pages() const {
    std::vector<KvPages> all;
    for (const auto& starts : starts_) {
      all.push_back({.blocks = starts,
                     .block_tokens = block_tokens_,
                     .kv_heads = shape_.kv_heads,
                     .head_dim = shape_.head_dim,
                     .element_bytes = 2});
    }
    return all;
  }

 private:
  std::int64_t block_elements() const {
    return 2 * shape_.kv_heads * block_tokens_ * shape_.head_dim;
  }
  std::size_t layer_elements() const {
    return static_cast<std::size_t>(blocks_ * block_elements());
  }

  CacheShape shape_;
  std::int64_t tokens_;
  std::int64_t block_tokens_;
  std::int64_t blocks_ = 0;
  std::vector<std::vector<std::uint16_t>> memory_;
  std::vector<std::vector<std::byte*>> starts_;
};

// Channels have a mean and a scale each, a few of K's are large, and each follows its last value.
// `text` changes what was read, not the model.
void fill(PagedCache& cache, unsigned text) {
  const CacheShape& shape = cache.shape();
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    for (std::int64_t plane = 0; plane < 2 * shape.kv_heads; ++plane) {
      std::mt19937 model(static_cast<unsigned>(1000 * layer + plane));
      std::mt19937 random(static_cast<unsigned>(1000 * layer + plane) + 7919 * text);
      std::normal_distribution<float> normal;
      const auto dim = static_cast<std::size_t>(shape.head_dim);
      std::vector<float> mean(dim);
      std::vector<float> scale(dim);
      std::vector<float> last(dim, 0.0F);
      for (std::size_t c = 0; c < dim; ++c) {
        const bool is_large = plane < shape.kv_heads && model() % 16 == 0;
        mean[c] = is_large ? 7.0F : 0.3F * normal(model);
        scale[c] = 0.3F + 0.001F * static_cast<float>(model() % 1000);
      }
      for (std::int64_t token = 0; token < cache.tokens(); ++token) {
        std::uint16_t* row = cache.row(layer, plane, token);
        for (std::size_t c = 0; c < dim; ++c) {
          last[c] = 0.6F * last[c] + 0.8F * normal(random);
          row[c] = bf16_from_f32(mean[c] + scale[c] * last[c]);
        }
      }
    }
  }
}

struct Input {
  std::string name;
  std::optional<PagedCache> synthetic;
  std::optional<runtime::DumpedCache> dumped;
  std::shared_ptr<const Profile> profile;  // may be null

  const CacheShape& shape() const { return dumped ? dumped->shape() : synthetic->shape(); }
  std::int64_t tokens() const { return dumped ? dumped->tokens() : synthetic->tokens(); }
  std::vector<KvPages> pages() const { return dumped ? dumped->all_pages() : synthetic->pages(); }
  std::size_t layer_elements() const {
    return static_cast<std::size_t>(2 * tokens() * shape().kv_heads * shape().head_dim);
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(shape().layers) * layer_elements() * 2;
  }
};

struct Synthetic {
  const char* name;
  std::int64_t layers;  // as many as make 64 MB
  std::int64_t kv_heads;
};
// 128 channels a head, 2,048 tokens. Models of 7 and of 70 billion parameters share the second.
constexpr Synthetic kSynthetic[] = {{"7b-mha", 2, 32}, {"gqa", 8, 8}};
constexpr std::int64_t kSyntheticTokens = 2048;

CacheShape shape_of(const Synthetic& what) {
  CacheShape shape{.layers = what.layers,
                   .kv_heads = what.kv_heads,
                   .head_dim = 128,
                   .model_fingerprint = 1,
                   .rope = {}};
  for (int pair = 0; pair < 64; ++pair) {
    shape.rope.radians_per_position.push_back(std::pow(10000.0, -pair / 64.0));
  }
  return shape;
}

std::vector<float> random_scores(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::exponential_distribution<float> exponential;
  std::vector<float> scores(count);
  for (float& score : scores) score = exponential(random) * exponential(random);
  return scores;
}

std::vector<LayerScores> scores_for(const Input& input, const kernels::ScoreNeeds& needs) {
  if (!needs.any()) return {};
  if (input.dumped) return need(runtime::scores_of(*input.dumped, needs, 0));
  const auto count = static_cast<std::size_t>(input.tokens() * input.shape().kv_heads);
  std::vector<LayerScores> all;
  for (std::int64_t layer = 0; layer < input.shape().layers; ++layer) {
    LayerScores scores;
    scores.tokens = input.tokens();
    scores.kv_heads = input.shape().kv_heads;
    scores.window_first = std::max<std::int64_t>(input.tokens() - needs.window_tokens, 0);
    scores.window = random_scores(count, static_cast<unsigned>(layer));
    all.push_back(std::move(scores));
  }
  return all;
}

PipelineSpec spec_of(const std::string& name, const std::filesystem::path& presets) {
  if (name != "int4+rans") return need(runtime::find_pipeline(name, presets));
  return {.name = name,
          .summary = "int4, entropy coded",
          .stages = {{"rtn", {{"bits", 4.0}, {"group", 32.0}}},
                     {"rans", {{"tables", std::string("adaptive")}}}}};
}

// Of synthetic inputs: the model has read another text before.
std::shared_ptr<const Profile> calibrated(const PipelineSpec& spec, const Input& input) {
  PagedCache text(input.shape(), kCalibrationTokens, kBlockTokens);
  fill(text, 2);
  Input read{.name = "", .synthetic = std::move(text), .dumped = {}, .profile = {}};
  kernels::CalibrationCache cache{
      .pages = read.pages(), .tokens = kCalibrationTokens, .scores = {}};
  cache.scores = scores_for(read, need(kernels::score_needs_of(spec)));
  auto profile = std::make_shared<Profile>();
  profile->model_fingerprint = input.shape().model_fingerprint;
  need(kernels::calibrate(spec, input.shape(), {&cache, 1}, *profile));
  return profile;
}

class Bench {
 public:
  Bench(const Input& input, const kernels::Pipeline& pipeline)
      : input_(input),
        pipeline_(pipeline),
        decoder_(input.shape(), input.profile),
        pages_(input.pages()),
        decoded_(input.shape(), input.tokens(), kBlockTokens),
        decoded_pages_(decoded_.pages()),
        scores_(scores_for(input, pipeline.score_needs())) {
    for (std::int64_t layer = 0; layer < input.shape().layers; layer += step()) {
      frames_.emplace_back(pipeline.frame_bytes_max(input.tokens(), layers_from(layer)));
      frame_bytes_.push_back(0);
    }
    if (pipeline.needs_all_layers()) plan_ = need(pipeline.plan_layers(input.tokens(), scores_, 0));
  }

  nlohmann::json run(int rounds) {
    const double memory = memory_share();
    std::vector<double> copy, encode, decode;
    for (int round = 0; round <= rounds; ++round) {
      const double copied = seconds_of([&] { copy_all(); });
      const double encoded = seconds_of([&] { encode_all(scratch_); });
      const double decoded = seconds_of([&] { decode_all(); });
      if (round == 0) continue;  // warms up
      copy.push_back(copied);
      encode.push_back(encoded);
      decode.push_back(decoded);
    }
    std::size_t frame_bytes = 0;
    for (const std::size_t bytes : frame_bytes_) frame_bytes += bytes;
    const auto bytes = static_cast<double>(input_.bytes());
    return {{"input", input_.name},
            {"pipeline", pipeline_.name()},
            {"memcpy", 1e-9 * bytes / median(copy)},
            {"encode", 1e-9 * bytes / median(encode)},
            {"decode", 1e-9 * bytes / median(decode)},
            {"encode_share", median(copy) / median(encode)},
            {"decode_share", median(copy) / median(decode)},
            {"ratio", bytes / static_cast<double>(frame_bytes)},
            {"encode_memory_share", memory}};
  }

 private:
  std::int64_t step() const { return pipeline_.layers_per_frame(); }
  std::int64_t layers_from(std::int64_t layer) const {
    return std::min(step(), input_.shape().layers - layer);
  }
  static double seconds_of(const std::function<void()>& work) {
    const double start = thread_seconds();
    work();
    return thread_seconds() - start;
  }

  void copy_all() {
    for (std::size_t layer = 0; layer < pages_.size(); ++layer) {
      const KvPages& pages = pages_[layer];
      const std::size_t block_bytes =
          pages.row_bytes() * static_cast<std::size_t>(pages.block_tokens);
      auto* to =
          reinterpret_cast<std::byte*>(decoded_.layer(static_cast<std::int64_t>(layer)).data());
      for (const std::byte* block : pages.blocks) {
        std::memcpy(to, block, block_bytes);
        to += block_bytes;
      }
      asm volatile("" : : "r"(to) : "memory");
    }
  }

  void encode_frame(std::size_t frame, kernels::Scratch& scratch) {
    const std::int64_t layer = static_cast<std::int64_t>(frame) * step();
    const auto first = static_cast<std::size_t>(layer);
    const auto count = static_cast<std::size_t>(layers_from(layer));
    kernels::EncodeTask task;
    task.layer_first = layer;
    task.pages = std::span(pages_).subspan(first, count);
    task.last_token = input_.tokens();
    task.plan = plan_ ? &*plan_ : nullptr;
    if (!scores_.empty()) {
      task.scores = std::span<const LayerScores>(scores_);
      if (!pipeline_.needs_all_layers()) task.scores = task.scores.subspan(first, count);
    }
    frame_bytes_[frame] = need(pipeline_.encode(task, frames_[frame], scratch)).frame_bytes;
  }
  void encode_all(kernels::Scratch& scratch) {
    for (std::size_t frame = 0; frame < frames_.size(); ++frame) encode_frame(frame, scratch);
  }

  void decode_all() {
    for (std::size_t frame = 0; frame < frames_.size(); ++frame) {
      const std::int64_t layer = static_cast<std::int64_t>(frame) * step();
      const auto pages = std::span(decoded_pages_)
                             .subspan(static_cast<std::size_t>(layer),
                                      static_cast<std::size_t>(layers_from(layer)));
      need(decoder_.decode(Bytes(frames_[frame]).first(frame_bytes_[frame]),
                           {.pages = pages, .row_first = 0}, scratch_, nullptr));
    }
  }

  // The most that a frame's encoding allocates, its scratch included.
  double memory_share() {
    double share = 0.0;
    for (std::size_t frame = 0; frame < frames_.size(); ++frame) {
      const std::size_t before = heap.now;
      heap.peak = before;
      kernels::Scratch scratch;
      encode_frame(frame, scratch);
      const auto layers =
          static_cast<double>(layers_from(static_cast<std::int64_t>(frame) * step()));
      share = std::max(share, static_cast<double>(heap.peak - before) /
                                  (layers * 4.0 * static_cast<double>(input_.layer_elements())));
    }
    return share;
  }

  const Input& input_;
  const kernels::Pipeline& pipeline_;
  kernels::FrameDecoder decoder_;
  std::vector<KvPages> pages_;
  PagedCache decoded_;
  std::vector<KvPages> decoded_pages_;
  std::vector<LayerScores> scores_;
  std::optional<kernels::LayerPlan> plan_;
  kernels::Scratch scratch_;
  std::vector<std::vector<std::byte>> frames_;
  std::vector<std::size_t> frame_bytes_;
};

Input open_input(const std::string& name, const Options& options) {
  Input input{.name = name, .synthetic = {}, .dumped = {}, .profile = {}};
  if (name == "cache") {
    input.dumped = need(runtime::DumpedCache::load(options.cache));
    if (!options.profile.empty()) {
      input.profile = std::make_shared<Profile>(
          need(runtime::load_profile(options.profile, input.shape().model_fingerprint)));
    }
    return input;
  }
  for (const Synthetic& what : kSynthetic) {
    if (name != what.name) continue;
    input.synthetic.emplace(shape_of(what), kSyntheticTokens, kBlockTokens);
    fill(*input.synthetic, 1);
    return input;
  }
  fail("there is no input '" + name + "': cache, 7b-mha or gqa");
}

void run_input(Input input, const Options& options, nlohmann::json& report) {
  std::fprintf(
      stderr,
      "%s: %lld tokens, %lld layers, %lld x %lld, %.0f MB\n%-12s %7s %7s %7s %7s"
      " %6s %6s %7s\n",
      input.name.c_str(), static_cast<long long>(input.tokens()),
      static_cast<long long>(input.shape().layers), static_cast<long long>(input.shape().kv_heads),
      static_cast<long long>(input.shape().head_dim), 1e-6 * static_cast<double>(input.bytes()),
      "pipeline", "ratio", "memcpy", "encode", "decode", "enc %", "dec %", "memory");
  const std::shared_ptr<const Profile> given = input.profile;
  for (const std::string& name : options.pipelines) {
    const PipelineSpec spec = spec_of(name, options.presets);
    input.profile = given;
    auto pipeline = kernels::Pipeline::create(spec, input.shape(), input.profile);
    if (!pipeline && input.synthetic && options.calibrates) {
      input.profile = calibrated(spec, input);
      pipeline = kernels::Pipeline::create(spec, input.shape(), input.profile);
    }
    if (!pipeline) {
      std::fprintf(stderr, "%-12s %s\n", name.c_str(), pipeline.error().message.c_str());
      continue;
    }
    nlohmann::json row = Bench(input, **pipeline).run(options.rounds);
    std::fprintf(stderr, "%-12s %7.2f %7.2f %7.2f %7.2f %5.0f%% %5.0f%% %7.2f\n", name.c_str(),
                 row["ratio"].get<double>(), row["memcpy"].get<double>(),
                 row["encode"].get<double>(), row["decode"].get<double>(),
                 100 * row["encode_share"].get<double>(), 100 * row["decode_share"].get<double>(),
                 row["encode_memory_share"].get<double>());
    report["rows"].push_back(std::move(row));
  }
}

}  // namespace
}  // namespace sluice

int main(int count, char** arguments) {
  sluice::Options options;
  CLI::App app("Whole pipelines on one core, beside memcpy");
  app.add_option("--presets", options.presets, "The folder of NAME.yaml");
  app.add_option("--pipelines", options.pipelines, "Presets, files, or int4+rans");
  app.add_option("--inputs", options.inputs, "cache, 7b-mha, gqa; all there are");
  app.add_option("--cache", options.cache, "What `sluice codec dump` wrote");
  app.add_option("--profile", options.profile, "The profile of that cache's model");
  app.add_flag("--calibrate", options.calibrates, "Learn profiles for synthetic inputs (minutes)");
  app.add_option("--rounds", options.rounds)->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, count, arguments);
  if (options.inputs.empty()) {
    options.inputs = {"7b-mha", "gqa"};
    if (!options.cache.empty()) options.inputs.insert(options.inputs.begin(), "cache");
  }
  omp_set_num_threads(1);
  nlohmann::json report = {{"unit", "GB/s of BF16"}, {"rows", nlohmann::json::array()}};
  for (const std::string& name : options.inputs) {
    sluice::run_input(sluice::open_input(name, options), options, report);
  }
  std::printf("%s\n", report.dump(2).c_str());
  return 0;
}
