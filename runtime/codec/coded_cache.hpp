// SPDX-License-Identifier: Apache-2.0
// A whole cache as frames, and back: what the workers do layer by layer, here for a file at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/frame.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "runtime/codec/cache_file.hpp"

namespace sluice::runtime {

// Frames one after another, and what a decoder must know of the model that they do not say: its
// file is self-contained but for the profile that frames may name. docs/wire_format.md, "File".
struct CodedCache {
  kernels::CacheShape shape;
  std::int64_t heads = 0;   // of queries
  std::int64_t tokens = 0;  // of the prompt
  std::vector<std::byte> frames;

  Status save(const std::filesystem::path& path) const;
  // kNotFound, kCorrupt.
  static Result<CodedCache> load(const std::filesystem::path& path);
};

struct CacheEncoding {
  std::int64_t question_tokens = 0;  // at the prompt's end; 0: as the pipeline's stages say
  std::int64_t part_tokens = 512;    // tokens of a frame of a pipeline that streams
  std::uint64_t seed = 0;
};

// On this thread. `seconds`: null, or gets the processor's time that encoding took, scores not
// counted.
Result<CodedCache> encode_cache(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                                const CacheEncoding& options, double* seconds);

// What frames bring: rows of kept tokens first, zeros behind them.
struct DecodedCache {
  DumpedCache cache;
  std::vector<kernels::FrameInfo> frames;
  // [layer][kv_head]: the original positions of the rows, ascending within a frame.
  std::vector<std::vector<std::int32_t>> positions;
};

// `profile` may be null. kCorrupt also when frames overlap or do not cover every layer's tokens.
Result<DecodedCache> decode_cache(const CodedCache& coded,
                                  std::shared_ptr<const kernels::Profile> profile, double* seconds);

}  // namespace sluice::runtime
