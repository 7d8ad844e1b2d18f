// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/coded_cache.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <utility>

#include "runtime/codec/prefill_cache.hpp"

namespace sluice::runtime {
namespace {

constexpr std::array<char, 4> kMagic{'S', 'L', 'F', 'F'};
constexpr std::uint16_t kFileVersion = 1;

// Of this thread, which does all the work: what else the machine does meanwhile is not counted.
double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Status check_sizes(const CodedCache& coded) {
  if (is_possible_cache(coded.shape, coded.heads, coded.tokens)) return {};
  return make_error(ErrorCode::kCorrupt, "a file of frames gives its cache an impossible shape");
}

// The frames of a file, apart.
Result<std::vector<Bytes>> split(const CodedCache& coded) {
  std::vector<Bytes> frames;
  for (Bytes left(coded.frames); !left.empty();) {
    const auto info = SLUICE_TRY(kernels::read_frame_info(left));
    frames.push_back(left.first(info.frame_bytes));
    left = left.subspan(info.frame_bytes);
  }
  return frames;
}

}  // namespace

Status CodedCache::save(const std::filesystem::path& path) const {
  ByteWriter writer;
  for (const char letter : kMagic) writer.put(letter);
  writer.put(kFileVersion);
  writer.put(static_cast<std::uint16_t>(shape.rope.radians_per_position.size()));
  writer.put(shape.model_fingerprint);
  for (const std::int64_t size : {shape.layers, shape.kv_heads, shape.head_dim, heads, tokens}) {
    writer.put(static_cast<std::uint32_t>(size));
  }
  writer.put(static_cast<std::uint32_t>(shape.rope.is_interleaved ? 1 : 0));
  writer.put(shape.rope.attention_factor);
  for (const double radians : shape.rope.radians_per_position) writer.put(radians);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(writer.bytes().data()),
             static_cast<std::streamsize>(writer.bytes().size()));
  file.write(reinterpret_cast<const char*>(frames.data()),
             static_cast<std::streamsize>(frames.size()));
  file.close();
  if (file) return {};
  return make_error(ErrorCode::kUnavailable,
                    "cannot write " + path.string() + ": " + std::strerror(errno));
}

Result<CodedCache> CodedCache::load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (!file || error) return make_error(ErrorCode::kNotFound, path.string() + " cannot be read");
  std::vector<std::byte> content(bytes);
  file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(bytes));
  if (!file) return make_error(ErrorCode::kNotFound, path.string() + " cannot be read");
  const auto parse = [&]() -> Result<CodedCache> {
    ByteReader reader(content);
    for (const char letter : kMagic) {
      if (SLUICE_TRY(reader.get<char>()) != letter) {
        return make_error(ErrorCode::kCorrupt, "not a file of frames");
      }
    }
    const auto version = SLUICE_TRY(reader.get<std::uint16_t>());
    if (version != kFileVersion) {
      return make_error(ErrorCode::kUnsupported,
                        "a file of frames of version " + std::to_string(version));
    }
    const auto pairs = SLUICE_TRY(reader.get<std::uint16_t>());
    CodedCache coded;
    coded.shape.model_fingerprint = SLUICE_TRY(reader.get<std::uint64_t>());
    coded.shape.layers = SLUICE_TRY(reader.get<std::uint32_t>());
    coded.shape.kv_heads = SLUICE_TRY(reader.get<std::uint32_t>());
    coded.shape.head_dim = SLUICE_TRY(reader.get<std::uint32_t>());
    coded.heads = SLUICE_TRY(reader.get<std::uint32_t>());
    coded.tokens = SLUICE_TRY(reader.get<std::uint32_t>());
    coded.shape.rope.is_interleaved = SLUICE_TRY(reader.get<std::uint32_t>()) != 0;
    coded.shape.rope.attention_factor = SLUICE_TRY(reader.get<double>());
    for (int pair = 0; pair < pairs; ++pair) {
      coded.shape.rope.radians_per_position.push_back(SLUICE_TRY(reader.get<double>()));
    }
    SLUICE_TRY(check_sizes(coded));
    const std::size_t header = content.size() - reader.remaining();
    if (reader.remaining() == 0) {
      return make_error(ErrorCode::kCorrupt, "a file of frames without a frame");
    }
    coded.frames.reserve(reader.remaining());
    coded.frames.assign(content.begin() + static_cast<std::ptrdiff_t>(header), content.end());
    return coded;
  };
  auto coded = parse();
  if (coded) return coded;
  return make_error(coded.error().code, path.string() + ": " + coded.error().message);
}

Result<CodedCache> encode_cache(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                                const CacheEncoding& options, double* seconds) {
  const std::int64_t layers = cache.shape().layers;
  std::vector<kernels::LayerScores> scores;
  if (pipeline.score_needs().any()) {
    scores = SLUICE_TRY(scores_of(cache, pipeline.score_needs(), options.question_tokens));
  }
  CodedCache coded{cache.shape(), cache.heads(), cache.tokens(), {}};
  const std::vector<kernels::KvPages> pages = cache.all_pages();
  kernels::Scratch scratch;
  const std::int64_t group = pipeline.layers_per_frame();
  const std::int64_t part = pipeline.is_streaming() ? options.part_tokens : cache.tokens();
  std::vector<std::byte> room(
      pipeline.frame_bytes_max(std::min(std::max<std::int64_t>(part, 1), cache.tokens()), group));
  double spent = 0.0;
  std::optional<kernels::LayerPlan> plan;
  if (pipeline.needs_all_layers()) {
    plan = SLUICE_TRY(pipeline.plan_layers(cache.tokens(), scores, options.seed));
  }
  for (std::int64_t first = 0; first < std::max<std::int64_t>(cache.tokens(), 1); first += part) {
    for (std::int64_t layer = 0; layer < layers; layer += group) {
      const auto count = static_cast<std::size_t>(std::min(group, layers - layer));
      kernels::EncodeTask task;
      task.layer_first = layer;
      task.pages = std::span(pages).subspan(static_cast<std::size_t>(layer), count);
      task.first_token = first;
      task.last_token = std::min(first + part, cache.tokens());
      task.plan = plan ? &*plan : nullptr;
      task.seed = options.seed;
      if (!scores.empty()) {
        task.scores = pipeline.needs_all_layers()
                          ? std::span<const kernels::LayerScores>(scores)
                          : std::span<const kernels::LayerScores>(scores).subspan(
                                static_cast<std::size_t>(layer), count);
      }
      const double start = thread_seconds();
      const auto report = SLUICE_TRY(pipeline.encode(task, room, scratch));
      spent += thread_seconds() - start;
      coded.frames.insert(coded.frames.end(), room.begin(),
                          room.begin() + static_cast<std::ptrdiff_t>(report.frame_bytes));
    }
    if (part == 0) break;  // an empty cache: one empty frame per group
  }
  if (seconds != nullptr) *seconds = spent;
  return coded;
}

Result<DecodedCache> decode_cache(const CodedCache& coded,
                                  std::shared_ptr<const kernels::Profile> profile,
                                  double* seconds) {
  SLUICE_TRY(check_sizes(coded));
  const std::vector<Bytes> frames = SLUICE_TRY(split(coded));
  const auto corrupt = [](const char* what) { return make_error(ErrorCode::kCorrupt, what); };
  // The tokens are what the frames hold, not what the header promises.
  std::int64_t tokens = 0;
  std::int64_t cells = 0;
  for (const Bytes frame : frames) {
    const auto info = SLUICE_TRY(kernels::read_frame_info(frame));
    tokens = std::max(tokens, info.last_token);
    cells += (info.last_token - info.first_token) * info.layer_count;
    if (info.layers != coded.shape.layers || info.kv_heads != coded.shape.kv_heads ||
        info.head_dim != coded.shape.head_dim) {
      return corrupt("a file of frames holds a frame of another shape");
    }
    if (info.head_count != info.kv_heads) {
      return make_error(
          ErrorCode::kUnsupported,
          "a file of frames holds a frame of a part of the heads: such frames are for "
          "ranks, and files have all");
    }
  }
  if (tokens != coded.tokens || cells != tokens * coded.shape.layers) {
    return corrupt("a file of frames lacks some of its tokens, or has them twice");
  }
  DecodedCache decoded{DumpedCache(coded.shape, coded.heads, tokens), {}, {}};
  const auto heads = static_cast<std::size_t>(coded.shape.kv_heads);
  decoded.positions.resize(static_cast<std::size_t>(coded.shape.layers) * heads);
  std::vector<std::int64_t> reached(static_cast<std::size_t>(coded.shape.layers), 0);
  const std::vector<kernels::KvPages> pages = decoded.cache.all_pages();
  const kernels::FrameDecoder decoder(coded.shape, std::move(profile));
  kernels::Scratch scratch;
  double spent = 0.0;
  for (const Bytes frame : frames) {
    const auto info = SLUICE_TRY(kernels::read_frame_info(frame));
    const auto layer = static_cast<std::size_t>(info.layer_first);
    const auto count = static_cast<std::size_t>(info.layer_count);
    for (std::size_t i = layer; i < layer + count; ++i) {
      if (reached[i] != info.first_token) return corrupt("frames are out of order");
      reached[i] = info.last_token;
    }
    std::vector<std::vector<std::int32_t>> positions;
    const double start = thread_seconds();
    decoded.frames.push_back(SLUICE_TRY(decoder.decode(
        frame, {std::span(pages).subspan(layer, count), info.first_token}, scratch, &positions)));
    spent += thread_seconds() - start;
    for (std::size_t i = 0; i < positions.size(); ++i) {
      auto& all = decoded.positions[layer * heads + i];
      // Rows of a later part follow those of its tokens: only whole parts can be several.
      if (static_cast<std::int64_t>(all.size()) != info.first_token) {
        return corrupt("a part of a prompt has dropped tokens");
      }
      all.insert(all.end(), positions[i].begin(), positions[i].end());
    }
  }
  if (seconds != nullptr) *seconds = spent;
  return decoded;
}

}  // namespace sluice::runtime
