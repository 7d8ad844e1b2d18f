// SPDX-License-Identifier: Apache-2.0
// Frames of a part of the KV heads: what tensor-parallel ranks send each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/pipeline/frame_format.hpp"
#include "kernels/pipeline/segment.hpp"
#include "tests/kernels/pipeline/codec_round.hpp"
#include "tests/support/stage_pipelines.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using tests::KvFixture;
using tests::KvFixtureSpec;

constexpr std::int64_t kHeads = 4;

KvFixtureSpec spec_of(std::int64_t heads) {
  return {.layers = 2, .kv_heads = heads, .head_dim = 32, .tokens = 90};
}

// A rank's share of `all`: the same numbers, the model's head `first` as its first.
KvFixture share_of(const KvFixture& all, HeadRange heads) {
  KvFixture share = tests::empty_cache(spec_of(heads.count));
  for (std::int64_t layer = 0; layer < all.spec().layers; ++layer) {
    for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
      for (std::int64_t head = 0; head < heads.count; ++head) {
        for (std::int64_t token = 0; token < all.spec().tokens; ++token) {
          for (std::int64_t c = 0; c < all.spec().head_dim; ++c) {
            share.set(layer, half, head, token, c,
                      all.get(layer, half, heads.first + head, token, c));
          }
        }
      }
    }
  }
  return share;
}

// Scores of some heads, as the rank that holds them would have them.
std::vector<LayerScores> share_of(std::vector<LayerScores> all, HeadRange heads) {
  for (LayerScores& layer : all) {
    const std::int64_t tokens = layer.tokens;
    layer.kv_heads = heads.count;
    for (std::vector<float>* values :
         {&layer.window, &layer.peak, &layer.accumulated, &layer.expected, &layer.output_norm,
          &layer.expected_output, &layer.reconstruction}) {
      if (values->empty()) continue;
      *values = {values->begin() + heads.first * tokens,
                 values->begin() + (heads.first + heads.count) * tokens};
    }
    // [window][head][head_dim].
    const std::vector<float> queries = std::exchange(layer.queries, {});
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto head = static_cast<std::int64_t>(i) / 32 % kHeads;
      if (head >= heads.first && head < heads.first + heads.count) {
        layer.queries.push_back(queries[i]);
      }
    }
  }
  return all;
}

struct Round {
  explicit Round(const PipelineSpec& spec, std::shared_ptr<const Profile> profile = nullptr)
      : pipeline(tests::must_create(spec, cache.shape(), profile)),
        decoder(cache.shape(), profile) {}

  // The frame of layer 1 with heads `sent`, from pages that hold `held`.
  Result<std::vector<std::byte>> encode(HeadRange held, HeadRange sent) {
    const KvFixture share = share_of(cache, held);
    const auto pages = share.pages();
    const auto scores = share_of(cache.scores(pipeline->score_needs()), held);
    EncodeTask task;
    task.layer_first = 1;
    task.pages = std::span(pages).subspan(1, 1);
    task.pages_head_first = held.first;
    task.head_first = sent.first;
    task.head_count = sent.count;
    task.last_token = cache.spec().tokens;
    task.seed = 7;
    LayerPlan plan;
    if (pipeline->needs_all_layers()) {
      plan = SLUICE_TRY(pipeline->plan_layers(task.last_token, scores, task.seed));
      task.plan = &plan;
      task.scores = scores;
    } else if (pipeline->score_needs().any()) {
      task.scores = std::span(scores).subspan(1, 1);
    }
    std::vector<std::byte> frame(pipeline->frame_bytes_max(task.last_token, 1, sent.count));
    const auto report = SLUICE_TRY(pipeline->encode(task, frame, scratch));
    EXPECT_EQ(report.elements, 2 * sent.count * 32 * task.last_token);
    frame.resize(report.frame_bytes);
    return frame;
  }

  // Into the pages of a rank that holds `held`.
  Result<FrameInfo> decode(Bytes frame, HeadRange held, KvFixture& target,
                           std::vector<std::vector<std::int32_t>>* kept = nullptr) {
    const auto pages = target.pages();
    FrameDecoder::Target to;
    to.pages = std::span(pages).subspan(1, 1);
    to.pages_head_first = held.first;
    return decoder.decode(frame, to, scratch, kept);
  }

  KvFixture cache{spec_of(kHeads)};
  std::unique_ptr<const Pipeline> pipeline;
  FrameDecoder decoder;
  Scratch scratch;
};

// What decodes to the same whether heads are coded together or apart.
std::vector<PipelineSpec> by_head() {
  return {{"raw", "", {}},
          {"rtn", "", {{"rtn", {{"bits", 4.0}, {"group", 32.0}}}}},
          {"uniform", "", {{"unrope", {}}, {"uniform", {{"step", 0.25}}}, {"rans", {}}}},
          {"kivi",
           "",
           {{"protect", {{"sinks", 0.0}, {"window", 16.0}}},
            {"rtn",
             {{"bits", 2.0},
              {"group", 32.0},
              {"axis_key", std::string("channel")},
              {"axis_value", std::string("token")}}}}},
          {"hadamard", "", {{"hadamard", {}}, {"rtn", {{"bits", 3.0}, {"group", 32.0}}}}},
          {"snapkv",
           "",
           {{"snapkv", {{"budget", 0.5}, {"scope", std::string("head")}}},
            {"rtn", {{"bits", 4.0}, {"group", 32.0}}}}}};
}

class ByHead : public ::testing::TestWithParam<PipelineSpec> {};

TEST_P(ByHead, PartsDecodeToWhatTheWholeDecodesTo) {
  Round round(GetParam());
  ASSERT_NE(round.pipeline, nullptr);
  constexpr HeadRange kAll{0, kHeads};
  const auto whole = round.encode(kAll, kAll);
  ASSERT_TRUE(whole) << whole.error().message;
  EXPECT_EQ(read_frame_info(*whole)->version, kFrameVersionWhole);
  KvFixture expected = tests::empty_cache(spec_of(kHeads));
  std::vector<std::vector<std::int32_t>> kept;
  ASSERT_TRUE(round.decode(*whole, kAll, expected, &kept));

  // Senders of one rank and of several; targets of one rank and of several.
  for (const HeadRange held : {kAll, HeadRange{0, 2}, HeadRange{1, 3}, HeadRange{3, 1}}) {
    for (const HeadRange target : {kAll, HeadRange{0, 3}, HeadRange{1, 2}, HeadRange{3, 1}}) {
      const std::int64_t first = std::max(held.first, target.first);
      const HeadRange sent{first,
                           std::min(held.first + held.count, target.first + target.count) - first};
      if (sent.count < 1) continue;
      SCOPED_TRACE(std::to_string(held.first) + "+" + std::to_string(held.count) + " to " +
                   std::to_string(target.first) + "+" + std::to_string(target.count));
      const auto frame = round.encode(held, sent);
      ASSERT_TRUE(frame) << frame.error().message;
      KvFixture pages = tests::empty_cache(spec_of(target.count));
      std::vector<std::vector<std::int32_t>> part;
      const auto info = round.decode(*frame, target, pages, &part);
      ASSERT_TRUE(info) << info.error().message;
      EXPECT_EQ(info->head_first, sent.first);
      EXPECT_EQ(info->head_count, sent.count);
      EXPECT_EQ(info->version, sent.count == kHeads ? kFrameVersionWhole : kFrameVersionHeads);
      ASSERT_EQ(info->kept.size(), static_cast<std::size_t>(sent.count));
      ASSERT_EQ(part.size(), static_cast<std::size_t>(sent.count));
      for (std::int64_t head = 0; head < target.count; ++head) {
        const std::int64_t of_model = target.first + head;
        const bool is_sent = of_model >= sent.first && of_model < sent.first + sent.count;
        if (is_sent) {
          EXPECT_EQ(part[static_cast<std::size_t>(of_model - sent.first)],
                    kept[static_cast<std::size_t>(of_model)]);
        }
        for (const KvHalf half : {KvHalf::kKey, KvHalf::kValue}) {
          for (std::int64_t row = 0; row < 90; ++row) {
            for (std::int64_t c = 0; c < 32; ++c) {
              const float wanted = is_sent ? expected.get(1, half, of_model, row, c) : 0.0F;
              ASSERT_EQ(pages.get(1, half, head, row, c), wanted) << of_model << " " << row;
            }
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(HeadRanges, ByHead, ::testing::ValuesIn(by_head()),
                         [](const auto& test) { return test.param.name; });

// Every stage takes a part of the heads or says that it cannot.
TEST(HeadRanges, AStageThatNeedsAllHeadsSaysSo) {
  const std::vector<std::string> whole_only = {"kvtc", "klt", "prefix", "waterfill", "predict"};
  const std::vector<std::string> selects_by_all = {"adakv", "random", "nacl"};
  const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const KvFixture cache(spec_of(kHeads));
  for (const PipelineSpec& spec : tests::stage_pipelines()) {
    if (spec.name == "palu" || spec.name == "xkv") continue;  // groups of heads, of layers
    SCOPED_TRACE(spec.name);
    const auto profile = tests::calibrated(spec, cache);
    ASSERT_TRUE(profile) << profile.error().message;
    Round round(spec, *profile);
    ASSERT_NE(round.pipeline, nullptr);
    const auto part = round.encode({0, kHeads}, {1, 2});
    EXPECT_EQ(part.has_value(), !is_in(whole_only, spec.name));
    EXPECT_EQ(round.pipeline->check_head_parts(true).has_value(), part.has_value());
    if (!part) {
      EXPECT_EQ(part.error().code, ErrorCode::kUnsupported);
      EXPECT_THAT(part.error().message, HasSubstr("works on all KV heads"));
    } else {
      KvFixture target = tests::empty_cache(spec_of(3));
      const auto info = round.decode(*part, {1, 3}, target);
      EXPECT_TRUE(info) << info.error().message;
    }
    const auto of_a_rank = round.encode({1, 3}, {1, 2});
    EXPECT_EQ(of_a_rank.has_value(), round.pipeline->check_head_parts(false).has_value());
    if (is_in(selects_by_all, spec.name)) {
      ASSERT_FALSE(of_a_rank);
      EXPECT_THAT(of_a_rank.error().message, HasSubstr("stage '" + spec.name + "'"));
    }
    if (of_a_rank) {
      KvFixture target = tests::empty_cache(spec_of(3));
      EXPECT_TRUE(round.decode(*of_a_rank, {0, 3}, target));
    }
  }
}

TEST(HeadRanges, PaluTakesWholeGroups) {
  const PipelineSpec spec{"palu", "", {{"palu", {{"heads", 2.0}}}, {"rtn", {}}}};
  const auto profile = tests::calibrated(spec, KvFixture(spec_of(kHeads)));
  ASSERT_TRUE(profile) << profile.error().message;
  Round round(spec, *profile);
  const auto whole = round.encode({0, kHeads}, {2, 2});
  ASSERT_TRUE(whole) << whole.error().message;
  const auto cut = round.encode({0, kHeads}, {1, 2});
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("whole groups of heads"));
}

TEST(HeadRanges, HeadsThatThePagesDoNotHoldAreRefused) {
  Round round({"raw", "", {}});
  for (const auto& [held, sent] :
       {std::pair<HeadRange, HeadRange>{{0, 2}, {1, 2}}, {{1, 2}, {0, 2}}, {{2, 2}, {4, 1}}}) {
    const auto frame = round.encode(held, sent);
    ASSERT_FALSE(frame);
    EXPECT_EQ(frame.error().code, ErrorCode::kInvalidArgument);
  }
  const auto frame = round.encode({0, kHeads}, {1, 2});
  ASSERT_TRUE(frame);
  KvFixture target = tests::empty_cache(spec_of(2));
  for (const std::int64_t first :
       {std::int64_t{0}, std::int64_t{2}, std::int64_t{-1},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    const auto info = round.decode(*frame, {first, 2}, target);
    ASSERT_FALSE(info) << first;
    EXPECT_EQ(info.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(round.decode(*frame, {1, 2}, target));
}

// The bytes of version 2, as docs/wire_format.md has them.
TEST(HeadRanges, FieldsAreWhereTheDocumentSays) {
  Round round({"raw", "", {}});
  const auto frame = round.encode({0, kHeads}, {1, 2});
  ASSERT_TRUE(frame);
  const std::string text(reinterpret_cast<const char*>(frame->data()), frame->size());
  EXPECT_EQ(text.substr(4, 2), std::string("\x02\x00", 2));
  EXPECT_EQ(text.substr(30, 2), std::string("\x04\x00", 2));
  EXPECT_EQ(text.substr(46, 4), std::string("\x01\x00\x02\x00", 4));
  EXPECT_EQ(text.substr(50, 4), "\x03raw");
}

TEST(HeadRanges, ImpossibleOnesAreCorrupt) {
  Round round({"raw", "", {}});
  const auto frame = round.encode({0, kHeads}, {1, 2});
  ASSERT_TRUE(frame);
  const auto forged = [&](int first, int count) {
    auto bytes = *frame;
    bytes[46] = static_cast<std::byte>(first & 0xff);
    bytes[47] = static_cast<std::byte>(first >> 8);
    bytes[48] = static_cast<std::byte>(count & 0xff);
    bytes[49] = static_cast<std::byte>(count >> 8);
    const std::uint64_t checksum = frame_checksum(bytes);
    std::memcpy(bytes.data() + bytes.size() - sizeof checksum, &checksum, sizeof checksum);
    KvFixture target = tests::empty_cache(spec_of(kHeads));
    const auto info = round.decode(bytes, {0, kHeads}, target);
    return info ? ErrorCode::kInternal : info.error().code;
  };
  for (const auto& [first, count] : {std::pair{0, 0},
                                     {4, 1},
                                     {0, 5},
                                     {3, 2},
                                     {0xffff, 0xffff},
                                     {1, 1},
                                     {0, 4}}) {  // the last two: of another length
    EXPECT_EQ(forged(first, count), ErrorCode::kCorrupt) << first << " " << count;
  }
}

}  // namespace
}  // namespace sluice::kernels
