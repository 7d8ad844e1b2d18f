// SPDX-License-Identifier: Apache-2.0
// The device's way with a host queue in the place of a device: every body, and all between them.
#include <gtest/gtest.h>

#include <limits>

#include "kernels/pipeline/buffers.hpp"
#include "kernels/pipeline/device/plane_place.hpp"
#include "kernels/pipeline/frame_format.hpp"
#include "tests/kernels/pipeline/device/device_round.hpp"

namespace sluice::kernels {
namespace {

using tests::DeviceCache;
using tests::KvFixture;
using tests::KvFixtureSpec;

// BF16 pages. What an infinite scale makes of a Hadamard transform is a NaN of any sign.
void expect_same_numbers(const KvFixture& actual, const KvFixture& expected) {
  const auto read = [](const KvFixture& cache) {
    const auto bytes = tests::bytes_of(cache);
    std::vector<std::uint16_t> numbers(bytes.size() / 2);
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    for (std::uint16_t& number : numbers) {
      if ((number & 0x7fff) > 0x7f80) number = 0x7fff;
    }
    return numbers;
  };
  EXPECT_EQ(read(actual), read(expected));
}

class OnDevice : public ::testing::TestWithParam<PipelineSpec> {
 protected:
  OnDevice() { scratch_.buffers().queue = make_host_queue(); }

  std::unique_ptr<DeviceQueue> memory_ = make_host_queue();
  Scratch scratch_;
};

TEST_P(OnDevice, FramesAndRowsAreTheHosts) {
  for (const std::int64_t tokens : {0, 1, 33, 100}) {
    SCOPED_TRACE(tokens);
    KvFixtureSpec spec;
    spec.tokens = tokens;
    spec.head_dim = tokens == 33 ? 24 : 32;
    spec.dtype = tokens == 1 ? DType::kF32 : DType::kBF16;
    spec.kv_heads = 3;
    tests::expect_same_on_device(GetParam(), spec, *memory_, scratch_, true);
  }
}

TEST_P(OnDevice, FramesOfSomeHeadsAreTheHosts) {
  KvFixtureSpec spec;
  spec.kv_heads = 3;
  spec.head_dim = 32;
  for (const std::int64_t head_first : {1, 2}) {
    tests::expect_same_on_device(GetParam(), spec, *memory_, scratch_, true, head_first);
  }
}

// A newer byte anywhere, with a checksum that fits: as the host takes it.
TEST_P(OnDevice, ForgedFramesAreTakenAsOnTheHost) {
  KvFixtureSpec spec;
  spec.head_dim = 16;
  spec.tokens = 40;
  spec.layers = 1;
  const KvFixture cache(spec);
  const auto pipeline = tests::must_create(GetParam(), cache.shape());
  ASSERT_NE(pipeline, nullptr);
  const FrameDecoder decoder(cache.shape(), nullptr);
  const auto frame = tests::encode_layers(*pipeline, cache, 0).value();
  for (std::size_t bit = 0; bit < frame.size() * 8; bit += 1 + bit / 200) {
    auto forged = frame;
    forged[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const std::uint64_t checksum = frame_checksum(forged);
    std::memcpy(forged.data() + forged.size() - kChecksumBytes, &checksum, kChecksumBytes);
    SCOPED_TRACE(bit);
    KvFixture target = tests::empty_cache(spec);
    KvFixture read = tests::empty_cache(spec);
    ASSERT_TRUE(memory_->clear());
    const DeviceCache into(target, *memory_);
    const auto info = tests::decode_layers(decoder, forged, target);
    FrameDecoder::Target there{.pages = into.pages(), .memory = MemoryKind::kCuda};
    const auto device_info = decoder.decode(forged, there, scratch_, nullptr);
    ASSERT_EQ(static_cast<bool>(device_info), static_cast<bool>(info));
    if (!info) continue;
    into.read_back(read);
    expect_same_numbers(read, target);
  }
}

TEST_P(OnDevice, WhatIsNotFiniteIsNamedAsOnTheHost) {
  KvFixtureSpec spec;
  spec.head_dim = 16;
  for (const std::int64_t layer : {0, 1}) {
    KvFixture cache(spec);
    cache.set(layer, KvHalf::kValue, 1, 77, 5, std::numeric_limits<float>::infinity());
    cache.set(layer, KvHalf::kValue, 0, 80, 3, std::numeric_limits<float>::quiet_NaN());
    const auto pipeline = tests::must_create(GetParam(), cache.shape());
    ASSERT_NE(pipeline, nullptr);
    const DeviceCache device(cache, *memory_);
    const auto frame = tests::encode_layers(*pipeline, cache, layer);
    const auto device_frame = tests::encode_pages(*pipeline, cache, device.pages(),
                                                  MemoryKind::kCuda, layer, nullptr, &scratch_);
    ASSERT_EQ(static_cast<bool>(device_frame), static_cast<bool>(frame));
    if (frame) {
      EXPECT_EQ(*device_frame, *frame);
    } else {
      EXPECT_EQ(device_frame.error().message, frame.error().message);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, OnDevice, ::testing::ValuesIn(tests::device_pipelines()),
                         [](const auto& spec) { return spec.param.name; });

// Streaming frames start in the middle of a block and go to rows that are there already.
TEST(OnDevicePart, CodesAndPlacesAPartOfThePrompt) {
  for (const char* name : {"raw", "int4", "delta"}) {
    SCOPED_TRACE(name);
    PipelineSpec of{name, "", {}};
    if (of.name == "int4") of.stages = {{"rtn", {{"bits", 4.0}}}};
    if (of.name == "delta") of.stages = {{"delta", {}}};  // not on a device
    KvFixtureSpec spec;
    spec.head_dim = 32;
    const KvFixture cache(spec);
    const auto pipeline = tests::must_create(of, cache.shape());
    ASSERT_NE(pipeline, nullptr);
    const auto memory = make_host_queue();
    const DeviceCache device(cache, *memory);
    Scratch scratch;
    scratch.buffers().queue = make_host_queue();
    std::vector<std::byte> frame(pipeline->frame_bytes_max(spec.tokens, 1));
    EncodeTask task;
    task.layer_first = 1;
    task.first_token = 21;
    task.last_token = 70;
    const auto pages = cache.pages(1);
    task.pages = {&pages, 1};
    frame.resize(pipeline->encode(task, frame, scratch).value().frame_bytes);
    std::vector<std::byte> device_frame(pipeline->frame_bytes_max(spec.tokens, 1));
    task.pages = std::span(device.pages()).subspan(1, 1);
    task.memory = MemoryKind::kCuda;
    device_frame.resize(pipeline->encode(task, device_frame, scratch).value().frame_bytes);
    EXPECT_EQ(device_frame, frame);

    const FrameDecoder decoder(cache.shape(), nullptr);
    KvFixture target(spec);
    KvFixture read(spec);
    const DeviceCache into(target, *memory);
    const auto target_pages = target.pages(1);
    ASSERT_TRUE(
        decoder.decode(frame, {.pages = {&target_pages, 1}, .row_first = 5}, scratch, nullptr));
    ASSERT_TRUE(decoder.decode(frame,
                               {.pages = std::span(into.pages()).subspan(1, 1),
                                .row_first = 5,
                                .memory = MemoryKind::kCuda},
                               scratch, nullptr));
    into.read_back(read);
    EXPECT_EQ(tests::bytes_of(read), tests::bytes_of(target));
  }
}

}  // namespace
}  // namespace sluice::kernels
