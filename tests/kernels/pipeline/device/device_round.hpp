// SPDX-License-Identifier: Apache-2.0
// Pages in a queue's memory, coded where they are and on the host: the same frames, the same rows.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/core/device_queue.hpp"
#include "tests/kernels/pipeline/codec_round.hpp"
#include "tests/support/stage_pipelines.hpp"

namespace sluice::tests {

// A copy of a fixture's pages. Without padding, so that all of a block's bytes are compared.
class DeviceCache {
 public:
  DeviceCache(const KvFixture& cache, DeviceQueue& memory) : memory_(memory) {
    for (const kernels::KvPages& pages : cache.pages()) {
      auto& blocks = blocks_.emplace_back();
      for (const std::byte* block : pages.blocks) {
        blocks.push_back(memory.room(block_bytes(pages)).value());
        EXPECT_TRUE(memory.copy_to_device(block, block_bytes(pages), blocks.back()));
      }
      pages_.push_back(pages);
    }
    EXPECT_TRUE(memory.wait());
    for (std::size_t layer = 0; layer < pages_.size(); ++layer) {
      pages_[layer].blocks = blocks_[layer];
    }
  }

  const std::vector<kernels::KvPages>& pages() const { return pages_; }

  void read_back(KvFixture& cache) const {
    for (std::size_t layer = 0; layer < pages_.size(); ++layer) {
      const auto to = cache.pages(static_cast<std::int64_t>(layer));
      for (std::size_t block = 0; block < blocks_[layer].size(); ++block) {
        EXPECT_TRUE(memory_.copy_to_host(blocks_[layer][block], block_bytes(to), to.blocks[block]));
      }
    }
    EXPECT_TRUE(memory_.wait());
  }

 private:
  static std::size_t block_bytes(const kernels::KvPages& pages) {
    return static_cast<std::size_t>(pages.block_tokens) * pages.row_bytes();
  }

  DeviceQueue& memory_;
  std::vector<kernels::KvPages> pages_;
  std::vector<std::vector<std::byte*>> blocks_;
};

inline std::vector<std::byte> bytes_of(const KvFixture& cache) {
  std::vector<std::byte> bytes;
  for (const kernels::KvPages& pages : cache.pages()) {
    const std::size_t size = static_cast<std::size_t>(pages.block_tokens) * pages.row_bytes();
    for (const std::byte* block : pages.blocks) bytes.insert(bytes.end(), block, block + size);
  }
  return bytes;
}

inline kernels::PipelineSpec pipeline_of(const char* name, std::vector<kernels::StageSpec> stages) {
  return {name, "", std::move(stages)};
}

// What the published systems are made of, as far as a device has all of it.
inline std::vector<kernels::PipelineSpec> device_pipelines() {
  using Numbers = std::vector<double>;
  const kernels::StageSpec int4{"rtn", {{"bits", 4.0}}};
  const kernels::StageSpec hadamard{"hadamard", {{"signs", true}}};
  return {
      pipeline_of("raw", {}),
      pipeline_of("int8", {{"rtn", {{"bits", 8.0}, {"symmetric", true}}}}),
      pipeline_of("int4", {int4}),
      pipeline_of("int3_2", {{"rtn", {{"bits", 3.0}, {"bits_value", 2.0}, {"group", 24.0}}}}),
      pipeline_of("kivi", {{"rtn", {{"bits", 2.0}, {"axis_key", std::string("channel")}}}}),
      pipeline_of("fp8", {{"fp8", {}}}),
      pipeline_of("mxfp4", {{"mxfp4", {}}}),
      pipeline_of("hadamard_alone", {hadamard}),
      pipeline_of("hadamard_int4", {hadamard, int4}),
      pipeline_of("unrope_int4", {{"unrope", {}}, int4}),
      pipeline_of("int4_rans", {int4, {"rans", {}}}),
      pipeline_of("int8_rans",
                  {{"rtn", {{"bits", 8.0}}}, {"rans", {{"tables", std::string("adaptive")}}}}),
      pipeline_of("streaming_graded",
                  {{"streaming", {}}, {"rtn", {{"bits", Numbers{8, 4}}}}, {"rans", {}}}),
  };
}

// Each layer's frame of a cache, from the host's pages and from a copy in `memory`'s; then into
// pages of both. `scratch` codes for the device. Frames have the heads from `head_first` on.
inline void expect_same_on_device(const kernels::PipelineSpec& spec, const KvFixtureSpec& of,
                                  DeviceQueue& memory, kernels::Scratch& scratch, bool runs_there,
                                  std::int64_t head_first = 0) {
  KvFixtureSpec calibration = of;
  calibration.tokens = 96;
  calibration.text = 9;
  const auto profile = calibrated(spec, KvFixture(calibration));
  ASSERT_TRUE(profile) << profile.error().message;
  const KvFixture cache(of);
  const DeviceCache device(cache, memory);
  const auto pipeline = must_create(spec, cache.shape(), *profile);
  ASSERT_NE(pipeline, nullptr);
  const kernels::FrameDecoder decoder(cache.shape(), *profile);
  KvFixture target(of);  // full of other rows, which stay
  KvFixture device_target(of);
  const DeviceCache into(target, memory);
  for (std::int64_t layer = 0; layer < of.layers; layer += pipeline->layers_per_frame()) {
    kernels::EncodeReport report;
    kernels::EncodeReport device_report;
    const auto frame = encode_pages(*pipeline, cache, cache.pages(), MemoryKind::kHost, layer,
                                    &report, nullptr, head_first);
    ASSERT_TRUE(frame) << frame.error().message;
    const auto device_frame = encode_pages(*pipeline, cache, device.pages(), MemoryKind::kCuda,
                                           layer, &device_report, &scratch, head_first);
    ASSERT_TRUE(device_frame) << device_frame.error().message;
    EXPECT_EQ(*device_frame, *frame);
    EXPECT_FALSE(report.on_device);
    EXPECT_EQ(device_report.on_device, runs_there);
    EXPECT_EQ(device_report.is_raw, report.is_raw);

    ASSERT_TRUE(decode_layers(decoder, *frame, target));
    const auto count =
        static_cast<std::size_t>(std::min(pipeline->layers_per_frame(), of.layers - layer));
    kernels::FrameDecoder::Target there;
    there.pages = std::span(into.pages()).subspan(static_cast<std::size_t>(layer), count);
    there.memory = MemoryKind::kCuda;
    const auto info = decoder.decode(*frame, there, scratch, nullptr);
    ASSERT_TRUE(info) << info.error().message;
  }
  into.read_back(device_target);
  EXPECT_EQ(bytes_of(device_target), bytes_of(target));
}

}  // namespace sluice::tests
