// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/cache_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "runtime/model/safetensors_file.hpp"
#include "runtime/model/safetensors_writer.hpp"

namespace sluice::runtime {
namespace {

constexpr std::int64_t kShapeNumbers = 5;

// Scores by token that the file carries as they are; those of a window are made from its queries.
struct NamedScore {
  std::string name;
  std::vector<float> kernels::LayerScores::*values;
};
const NamedScore kScores[] = {
    {"accumulated", &kernels::LayerScores::accumulated},
    {"expected", &kernels::LayerScores::expected},
    {"expected_output", &kernels::LayerScores::expected_output},
    {"output_norm", &kernels::LayerScores::output_norm},
    {"reconstruction", &kernels::LayerScores::reconstruction},
};

void put_u64(std::vector<std::int32_t>& numbers, std::uint64_t value) {
  numbers.push_back(static_cast<std::int32_t>(value & 0xffffffffU));
  numbers.push_back(static_cast<std::int32_t>(value >> 32));
}

std::uint64_t get_u64(const std::int32_t* numbers) {
  return std::uint64_t{static_cast<std::uint32_t>(numbers[0])} |
         std::uint64_t{static_cast<std::uint32_t>(numbers[1])} << 32;
}

// Gathers views for the writer; keeps what they point to.
class TensorList {
 public:
  void add(std::string name, DType dtype, const void* data, std::vector<std::int64_t> shape) {
    TensorView view{static_cast<const std::byte*>(data), dtype, static_cast<int>(shape.size()), {}};
    std::copy(shape.begin(), shape.end(), view.shape.begin());
    tensors_.push_back({std::move(name), view});
  }
  void add_numbers(std::string name, std::vector<std::int32_t> numbers) {
    kept_.push_back(std::move(numbers));
    add(std::move(name), DType::kI32, kept_.back().data(),
        {static_cast<std::int64_t>(kept_.back().size())});
  }
  void add_floats(std::string name, const std::vector<float>& values,
                  std::vector<std::int64_t> shape) {
    if (!values.empty()) add(std::move(name), DType::kF32, values.data(), std::move(shape));
  }
  std::span<const NamedTensor> tensors() const { return tensors_; }

 private:
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<std::int32_t>> kept_;
};

std::vector<std::int32_t> rope_numbers(const kernels::RopeAngles& rope) {
  std::vector<std::int32_t> numbers;
  for (const double radians : rope.radians_per_position) {
    put_u64(numbers, std::bit_cast<std::uint64_t>(radians));
  }
  put_u64(numbers, std::bit_cast<std::uint64_t>(rope.attention_factor));
  numbers.push_back(rope.is_interleaved ? 1 : 0);
  return numbers;
}

// Reads tensors of an opened file, checked against the shape that the file claims.
class Reader {
 public:
  Reader(const TensorSource& file, std::string path) : file_(file), path_(std::move(path)) {}

  Error wrong(const std::string& name) const {
    return make_error(ErrorCode::kCorrupt, path_ + ": not a dumped cache: '" + name +
                                               "' is missing or of the wrong type or size");
  }
  Result<TensorView> tensor(const std::string& name, DType dtype, std::int64_t elements) const {
    const auto found = file_.tensor(name);
    if (!found || found->dtype != dtype || (elements >= 0 && found->elements() != elements)) {
      return wrong(name);
    }
    return *found;
  }
  bool has(const std::string& name) const { return file_.tensor(name).has_value(); }

  // Empty when it is not there.
  Result<std::vector<float>> floats(const std::string& name, std::int64_t elements) const {
    if (!has(name)) return std::vector<float>();
    const TensorView view = SLUICE_TRY(tensor(name, DType::kF32, elements));
    std::vector<float> values(static_cast<std::size_t>(view.elements()));
    if (!values.empty()) std::memcpy(values.data(), view.data, view.bytes());
    return values;
  }

 private:
  const TensorSource& file_;
  std::string path_;
};

Result<kernels::RopeAngles> read_rope(const Reader& reader) {
  const TensorView view = SLUICE_TRY(reader.tensor("rope", DType::kI32, -1));
  const std::int64_t count = view.elements();
  if (count < 3 || count % 2 == 0) return reader.wrong("rope");
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(count));
  std::memcpy(numbers.data(), view.data, view.bytes());
  kernels::RopeAngles rope;
  for (std::size_t i = 0; i + 3 < numbers.size(); i += 2) {
    rope.radians_per_position.push_back(std::bit_cast<double>(get_u64(&numbers[i])));
  }
  rope.attention_factor = std::bit_cast<double>(get_u64(&numbers[numbers.size() - 3]));
  rope.is_interleaved = numbers.back() != 0;
  return rope;
}

Status read_scores(const Reader& reader, DumpedCache& cache) {
  const std::int64_t layers = cache.shape().layers;
  const std::int64_t per_layer = cache.shape().kv_heads * cache.tokens();
  const std::int64_t per_query = cache.heads() * cache.shape().head_dim;
  std::vector<DumpedWindow> windows;
  std::vector<kernels::LayerScores> scores;
  const auto similarity = SLUICE_TRY(reader.floats("similarity", layers));
  bool has_scores = false;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const std::string of = std::string(".").append(std::to_string(layer));
    DumpedWindow window{SLUICE_TRY(reader.floats("queries" + of, -1)),
                        SLUICE_TRY(reader.floats("lse" + of, -1))};
    const auto rows = static_cast<std::int64_t>(window.queries.size()) / per_query;
    if (static_cast<std::int64_t>(window.queries.size()) != rows * per_query ||
        static_cast<std::int64_t>(window.lse.size()) != rows * cache.heads() ||
        rows > cache.tokens()) {
      return reader.wrong("queries" + of);
    }
    windows.push_back(std::move(window));
    kernels::LayerScores of_layer;
    of_layer.tokens = cache.tokens();
    of_layer.kv_heads = cache.shape().kv_heads;
    for (const NamedScore& score : kScores) {
      of_layer.*score.values = SLUICE_TRY(reader.floats(score.name + of, per_layer));
      has_scores |= reader.has(score.name + of);
    }
    if (!similarity.empty()) of_layer.similarity = similarity[static_cast<std::size_t>(layer)];
    scores.push_back(std::move(of_layer));
  }
  if (reader.has("queries.0")) cache.windows = std::move(windows);
  if (has_scores || !similarity.empty()) {
    cache.scores = std::move(scores);
  }
  return {};
}

}  // namespace

bool is_possible_cache(const kernels::CacheShape& shape, std::int64_t heads, std::int64_t tokens) {
  for (const std::int64_t size : {shape.layers, shape.kv_heads, shape.head_dim, heads}) {
    if (size < 1 || size > kCacheSizeMax) return false;
  }
  if (heads % shape.kv_heads != 0 || tokens < 0 || tokens > kCacheTokensMax) return false;
  std::int64_t bytes = 4;  // of K and V
  for (const std::int64_t size : {shape.layers, shape.kv_heads, shape.head_dim, tokens}) {
    // By division: the product may overflow.
    if (size != 0 && bytes > kCacheBytesMax / size) return false;
    bytes *= size;
  }
  return true;
}

DumpedCache::DumpedCache(kernels::CacheShape shape, std::int64_t heads, std::int64_t tokens)
    : shape_(std::move(shape)), heads_(heads), tokens_(tokens) {
  const auto bytes = static_cast<std::size_t>(2 * shape_.kv_heads * tokens * shape_.head_dim * 2);
  layers_.resize(static_cast<std::size_t>(shape_.layers));
  for (auto& layer : layers_) {
    layer.resize(bytes);
    starts_.push_back(layer.data());
  }
}

bool DumpedCache::is_like(const DumpedCache& other) const {
  const kernels::CacheShape& one = shape_;
  const kernels::CacheShape& two = other.shape_;
  return one.model_fingerprint == two.model_fingerprint && one.layers == two.layers &&
         one.kv_heads == two.kv_heads && one.head_dim == two.head_dim && heads_ == other.heads_ &&
         tokens_ == other.tokens_;
}

kernels::KvPages DumpedCache::pages(std::int64_t layer) const {
  return {.blocks = std::span(starts_).subspan(static_cast<std::size_t>(layer), 1),
          .block_tokens = std::max<std::int64_t>(tokens_, 1),
          .kv_heads = shape_.kv_heads,
          .head_dim = shape_.head_dim,
          .element_bytes = 2};
}

std::vector<kernels::KvPages> DumpedCache::all_pages() const {
  std::vector<kernels::KvPages> all;
  for (std::int64_t layer = 0; layer < shape_.layers; ++layer) all.push_back(pages(layer));
  return all;
}

Status DumpedCache::save(const std::filesystem::path& path) const {
  TensorList list;
  const auto small = [](std::int64_t number) { return static_cast<std::int32_t>(number); };
  list.add_numbers("shape", {small(shape_.layers), small(shape_.kv_heads), small(shape_.head_dim),
                             small(heads_), small(tokens_)});
  std::vector<std::int32_t> fingerprint;
  put_u64(fingerprint, shape_.model_fingerprint);
  list.add_numbers("fingerprint", std::move(fingerprint));
  list.add_numbers("rope", rope_numbers(shape_.rope));
  std::vector<float> similarity;
  for (std::int64_t layer = 0; layer < shape_.layers; ++layer) {
    const std::string of = std::string(".").append(std::to_string(layer));
    const auto& bytes = layers_[static_cast<std::size_t>(layer)];
    const std::vector<std::int64_t> half{shape_.kv_heads, tokens_, shape_.head_dim};
    list.add("k" + of, DType::kBF16, bytes.data(), half);
    list.add("v" + of, DType::kBF16, bytes.data() + bytes.size() / 2, half);
    if (!windows.empty()) {
      const DumpedWindow& window = windows[static_cast<std::size_t>(layer)];
      const auto rows = static_cast<std::int64_t>(window.lse.size()) / heads_;
      list.add_floats("queries" + of, window.queries, {rows, heads_, shape_.head_dim});
      list.add_floats("lse" + of, window.lse, {rows, heads_});
    }
    if (!scores.empty()) {
      const kernels::LayerScores& of_layer = scores[static_cast<std::size_t>(layer)];
      for (const NamedScore& score : kScores) {
        list.add_floats(score.name + of, of_layer.*score.values, {shape_.kv_heads, tokens_});
      }
      similarity.push_back(of_layer.similarity);
    }
  }
  list.add_floats("similarity", similarity, {shape_.layers});
  return write_safetensors(path, list.tensors());
}

Result<DumpedCache> DumpedCache::load(const std::filesystem::path& path) {
  const auto file = SLUICE_TRY(SafetensorsFile::open(path));
  const Reader reader(*file, path.string());
  const TensorView sizes = SLUICE_TRY(reader.tensor("shape", DType::kI32, kShapeNumbers));
  std::int32_t numbers[kShapeNumbers];
  std::memcpy(numbers, sizes.data, sizeof numbers);
  kernels::CacheShape shape{numbers[0], numbers[1], numbers[2], 0, {}};
  if (!is_possible_cache(shape, numbers[3], numbers[4])) {
    return make_error(ErrorCode::kCorrupt, path.string() + " gives its cache an impossible shape");
  }
  shape.rope = SLUICE_TRY(read_rope(reader));
  const TensorView mark = SLUICE_TRY(reader.tensor("fingerprint", DType::kI32, 2));
  std::int32_t halves[2];
  std::memcpy(halves, mark.data, sizeof halves);
  shape.model_fingerprint = get_u64(halves);
  const std::int64_t tokens = numbers[4];
  const std::int64_t half = shape.kv_heads * shape.head_dim * tokens;
  // Before anything of that size is allocated: the file must hold it.
  for (std::int64_t layer = 0; layer < shape.layers; ++layer) {
    for (const char* name : {"k.", "v."}) {
      SLUICE_TRY(
          reader.tensor(std::string(name).append(std::to_string(layer)), DType::kBF16, half));
    }
  }
  DumpedCache cache(std::move(shape), numbers[3], tokens);
  for (std::int64_t layer = 0; layer < cache.shape().layers && half > 0; ++layer) {
    auto& bytes = cache.layers_[static_cast<std::size_t>(layer)];
    std::memcpy(bytes.data(), file->tensor(std::string("k.").append(std::to_string(layer)))->data,
                bytes.size() / 2);
    std::memcpy(bytes.data() + bytes.size() / 2,
                file->tensor(std::string("v.").append(std::to_string(layer)))->data,
                bytes.size() / 2);
  }
  SLUICE_TRY(read_scores(reader, cache));
  return cache;
}

}  // namespace sluice::runtime
