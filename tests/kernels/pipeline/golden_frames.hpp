// SPDX-License-Identifier: Apache-2.0
// The frames of tests/golden/: one of every pipeline that needs no profile, of a fixed small cache,
// and some of one of its heads.
#pragma once

#include <bit>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/kernels/pipeline/codec_round.hpp"
#include "tests/support/stage_pipelines.hpp"

namespace sluice::tests {

inline KvFixtureSpec golden_spec() { return {.layers = 2, .head_dim = 16, .tokens = 40}; }

inline bool is_selection(const std::string& pipeline) {
  const kernels::StageRow* row = kernels::find_stage(pipeline.substr(0, pipeline.find("_head")));
  return row != nullptr && row->role == kernels::StageRole::kSelect;
}

struct GoldenFrame {
  std::string name;  // of the pipeline and of its file, without ".frame"
  std::vector<std::byte> bytes;
};

// As this program makes them.
inline std::vector<GoldenFrame> make_golden_frames() {
  std::vector<kernels::PipelineSpec> specs = stage_pipelines();
  for (const double bits : {2.0, 3.0, 8.0}) {
    specs.push_back(
        {"rtn" + std::to_string(static_cast<int>(bits)), "", {{"rtn", {{"bits", bits}}}}});
  }
  const KvFixture cache(golden_spec());
  std::vector<GoldenFrame> frames;
  for (const kernels::PipelineSpec& spec : specs) {
    // Of selections one of each kind of level set is enough.
    if (is_selection(spec.name) && spec.name != "q2c" && spec.name != "adakv" &&
        spec.name != "streaming" && spec.name != "graded_tokens") {
      continue;
    }
    const auto pipeline = kernels::Pipeline::create(spec, cache.shape(), nullptr);
    if (!pipeline) continue;
    const auto frame = encode_layers(**pipeline, cache, 0);
    SLUICE_CHECK(frame.has_value(), "a golden frame cannot be made");
    frames.push_back({spec.name, *frame});
  }
  // Of a part of the heads: version 2 of the frame.
  for (kernels::PipelineSpec spec : specs) {
    if (spec.name != "raw" && spec.name != "rtn" && spec.name != "q2c") continue;
    spec.name += "_head";
    const auto pipeline = kernels::Pipeline::create(spec, cache.shape(), nullptr);
    SLUICE_CHECK(pipeline.has_value(), "a golden pipeline cannot be made");
    const auto frame = encode_pages(**pipeline, cache, cache.pages(), MemoryKind::kHost, 0, nullptr,
                                    nullptr, /*head_first=*/1);
    SLUICE_CHECK(frame.has_value(), "a golden frame cannot be made");
    frames.push_back({spec.name, *frame});
  }
  return frames;
}

// FNV-1a of the bits of every number that a decoded cache holds.
inline std::uint64_t cache_digest(const KvFixture& cache) {
  std::uint64_t digest = 0xcbf29ce484222325U;
  for (std::int64_t layer = 0; layer < cache.spec().layers; ++layer) {
    for (const kernels::KvHalf half : {kernels::KvHalf::kKey, kernels::KvHalf::kValue}) {
      for (const float value : cache.rows(layer, half)) {
        digest = (digest ^ std::bit_cast<std::uint32_t>(value)) * 0x100000001b3U;
      }
    }
  }
  return digest;
}

inline std::vector<std::byte> file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const Bytes bytes = as_bytes(text);
  std::vector<std::byte> copy;
  copy.reserve(bytes.size());
  copy.assign(bytes.begin(), bytes.end());
  return copy;
}

}  // namespace sluice::tests
