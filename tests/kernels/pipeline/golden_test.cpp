// SPDX-License-Identifier: Apache-2.0
// Frames that earlier versions wrote: they decode to the same numbers for ever, and what the same
// version of a stage encodes is the same on every machine.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "tests/kernels/pipeline/golden_frames.hpp"

namespace sluice::kernels {
namespace {

const std::string kFolder = std::string(SLUICE_SOURCE_DIR) + "/tests/golden/";

// decoded.txt: a name and a digest in a line.
std::map<std::string, std::uint64_t> digests() {
  std::map<std::string, std::uint64_t> all;
  std::ifstream file(kFolder + "decoded.txt");
  std::string name;
  std::uint64_t digest = 0;
  while (file >> name >> std::hex >> digest) all[name] = digest;
  return all;
}

TEST(Golden, EveryFrameDecodesToWhatItWas) {
  const auto expected = digests();
  ASSERT_GT(expected.size(), 10U);
  const FrameDecoder decoder(tests::KvFixture(tests::golden_spec()).shape(), nullptr);
  for (const auto& [name, digest] : expected) {
    SCOPED_TRACE(name);
    tests::KvFixture target = tests::empty_cache(tests::golden_spec());
    const auto info =
        tests::decode_layers(decoder, tests::file_bytes(kFolder + name + ".frame"), target);
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->pipeline, name);
    EXPECT_EQ(tests::cache_digest(target), digest);
  }
}

TEST(Golden, EncodingGivesTheSameBytes) {
  const auto expected = digests();
  for (const tests::GoldenFrame& frame : tests::make_golden_frames()) {
    if (expected.count(frame.name) == 0) continue;  // newer than the files
    // What a selection chooses may get better: the frame only says what it was.
    if (tests::is_selection(frame.name)) continue;
    EXPECT_EQ(frame.bytes, tests::file_bytes(kFolder + frame.name + ".frame"))
        << frame.name << " is encoded otherwise: give its stage a new version";
  }
}

}  // namespace
}  // namespace sluice::kernels
