// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/json_pipeline.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

constexpr const char* kByteLevel = R"({"type": "ByteLevel", "add_prefix_space": false})";

Result<TokenizerData> read(JsonPipeline pipeline) {
  TokenizerData data;
  SLUICE_TRY(read_json_pipeline(pipeline, data));
  return data;
}

TEST(JsonPipeline, ReadsNormalizers) {
  const auto data = read({.normalizer = R"({"type": "Sequence", "normalizers": [{"type": "NFC"},
      {"type": "Prepend", "prepend": "_"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]})",
                          .decoder = kByteLevel})
                        .value();
  ASSERT_EQ(data.normalizer.size(), 3U);
  EXPECT_EQ(data.normalizer[0].kind, NormalizeStep::Kind::kNfc);
  EXPECT_EQ(data.normalizer[1].content, "_");
  EXPECT_EQ(data.normalizer[2].pattern, " ");
}

TEST(JsonPipeline, ReadsSplits) {
  const auto data = read({.pre_tokenizer = R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "a+"}, "behavior": "Removed", "invert": true},
      {"type": "Split", "pattern": {"String": "."}, "behavior": "MergedWithNext"},
      {"type": "Digits", "individual_digits": false}, {"type": "Punctuation"},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})",
                          .decoder = kByteLevel})
                        .value();
  ASSERT_EQ(data.splits.size(), 4U);
  EXPECT_TRUE(data.splits[0].invert);
  EXPECT_EQ(data.splits[1].pattern, R"(\.)");
  EXPECT_EQ(data.splits[1].behavior, SplitStep::Behavior::kMergedWithNext);
  EXPECT_EQ(data.splits[2].pattern, R"(\p{N}+)");
  EXPECT_TRUE(data.byte_level);
}

TEST(JsonPipeline, ReadsTheSpaceMarkerOldAndNew) {
  const auto prepend = [](const char* rest) {
    return read({.pre_tokenizer =
                     std::string(R"({"type": "Metaspace", "replacement": "_")") + rest + "}",
                 .decoder = kByteLevel})
        .value()
        .space_marker->prepend;
  };
  EXPECT_EQ(prepend(R"(, "add_prefix_space": true)"), SpaceMarker::Prepend::kAlways);
  EXPECT_EQ(prepend(R"(, "add_prefix_space": false)"), SpaceMarker::Prepend::kNever);
  EXPECT_EQ(prepend(R"(, "prepend_scheme": "first", "split": false)"),
            SpaceMarker::Prepend::kFirst);
}

TEST(JsonPipeline, ReadsDecoders) {
  const auto data = read({.decoder = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "_"}, "content": " "}, {"type": "ByteFallback"},
      {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})"})
                        .value();
  EXPECT_TRUE(data.decode.byte_fallback);
  EXPECT_EQ(data.decode.strip_left, 1);
  EXPECT_EQ(data.decode.replacements.size(), 1U);
}

TEST(JsonPipeline, NamesWhatIsNotSupported) {
  const auto refused = [](JsonPipeline pipeline, const char* name) {
    const auto data = read(std::move(pipeline));
    ASSERT_FALSE(data) << name;
    EXPECT_EQ(data.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(data.error().message.find(name), std::string::npos) << data.error().message;
  };
  refused({.normalizer = R"({"type": "Precompiled"})", .decoder = kByteLevel}, "Precompiled");
  refused({.pre_tokenizer = R"({"type": "BertPreTokenizer"})", .decoder = kByteLevel},
          "BertPreTokenizer");
  refused({.pre_tokenizer = R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel",
      "add_prefix_space": false}, {"type": "Digits"}]})",
           .decoder = kByteLevel},
          "Digits");
  refused({.post_processor = R"({"type": "BertProcessing"})", .decoder = kByteLevel},
          "BertProcessing");
  refused({.decoder = R"({"type": "WordPiece"})"}, "WordPiece");
  refused({.decoder = R"({"type": "Strip", "content": " ", "start": 2, "stop": 0})"}, "Strip");
  refused({}, "decoder");
}

TEST(JsonPipeline, WrongKindsAreCorrupt) {
  EXPECT_EQ(read({.normalizer = "[1]", .decoder = kByteLevel}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read({.decoder = R"({"type": 3})"}).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(read({.decoder = "{"}).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::runtime
