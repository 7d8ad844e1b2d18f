// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/plane_codec.hpp"

#include <gtest/gtest.h>

#include "kernels/pipeline/buffers.hpp"
#include "tests/support/kv_fixture.hpp"

namespace sluice::kernels {
namespace {

using tests::KvFixture;
using tests::KvFixtureSpec;

// Enough rows for many tiles and several batches of symbols.
const KvFixtureSpec kSpec{.layers = 1, .kv_heads = 4, .head_dim = 64, .tokens = 700};

class Planes : public ::testing::Test {
 protected:
  Planes() {
    plane_ = tests::whole_plane(cache_, 0, KvHalf::kKey, positions_);
    rows_ = {.pages = pages_,
             .half = KvHalf::kKey,
             .head_first = 0,
             .head_count = 4,
             .rows = positions_,
             .next_rows = {}};
    into_ = rows_;
    into_.pages = target_pages_;
  }

  StageList list(std::vector<StageSpec> stages) {
    return StageList::from_spec({"test", "", std::move(stages)}).value();
  }

  // There and back; the error's relative RMS.
  double error(const StageList& stages) {
    std::vector<std::byte> room(1 << 20);
    FrameWriter out(room);
    const auto sizes = encode_plane(stages, plane_, rows_, out, scratch_.buffers());
    EXPECT_TRUE(sizes) << sizes.error().message;
    EXPECT_TRUE(sizes->fits);
    EXPECT_EQ(out.used(), sizes->symbols + sizes->side + sizes->correction);
    const Bytes all(room);
    const PlaneBytes coded{all.first(sizes->symbols), all.subspan(sizes->symbols, sizes->side),
                           all.subspan(sizes->symbols + sizes->side, sizes->correction)};
    const Status done = decode_plane(stages, plane_, coded, into_, scratch_.buffers());
    EXPECT_TRUE(done) << done.error().message;
    // Any part a byte shorter or longer is refused.
    for (int part = 0; part < 2; ++part) {
      PlaneBytes wrong = coded;
      Bytes& bytes = part == 0 ? wrong.symbols : wrong.side;
      if (bytes.empty()) continue;
      const Bytes right = bytes;
      bytes = right.first(right.size() - 1);
      EXPECT_FALSE(decode_plane(stages, plane_, wrong, into_, scratch_.buffers())) << part;
    }
    return tests::relative_rms(cache_.rows(0, KvHalf::kKey), target_.rows(0, KvHalf::kKey));
  }

  KvFixture cache_{kSpec};
  KvFixture target_{[] {
    KvFixtureSpec spec = kSpec;
    spec.is_zero = true;
    return spec;
  }()};
  std::vector<KvPages> pages_ = cache_.pages();
  std::vector<KvPages> target_pages_ = target_.pages();
  std::vector<std::int32_t> positions_ = tests::all_positions(kSpec.tokens);
  Plane plane_;
  KvTile rows_;
  KvTile into_;
  Scratch scratch_;
};

TEST_F(Planes, TilesAndWholePlanesComeBack) {
  EXPECT_LT(error(list({{"rtn", {{"bits", 8.0}}}})), 0.01);
  EXPECT_LT(error(list({{"rtn", {{"bits", 8.0}, {"axis_key", "channel"}}}})), 0.01);
  EXPECT_LT(error(list({{"unrope", {}}, {"rtn", {{"bits", 8.0}}}})), 0.01);
  EXPECT_LT(error(list({{"svd", {}}, {"rtn", {{"bits", 8.0}}}})), 0.5);
  EXPECT_LT(error(list({{"rtn", {{"bits", 8.0}}}, {"rans", {}}})), 0.01);
}

// Transformed rows without a quantizer are BF16 numbers.
TEST_F(Planes, ATransformAloneIsRoundedToBf16) {
  const double turned = error(list({{"unrope", {}}}));
  EXPECT_GT(turned, 0);
  EXPECT_LT(turned, 0.005);
}

TEST_F(Planes, ACorrectionMakesItBetter) {
  const double plain = error(list({{"rtn", {{"bits", 2.0}}}}));
  const double corrected = error(list({{"rtn", {{"bits", 2.0}}}, {"gear", {}}}));
  EXPECT_LT(corrected, plain);
}

TEST_F(Planes, ABoundIsNeverPassed) {
  const StageList stages = list({{"rtn", {{"bits", 4.0}}}});
  std::vector<std::byte> room(1 << 20);
  FrameWriter whole(room);
  ASSERT_TRUE(encode_plane(stages, plane_, rows_, whole, scratch_.buffers())->fits);
  for (const std::size_t size : {std::size_t{0}, whole.used() / 2, whole.used() - 1}) {
    std::vector<std::byte> small(size);
    FrameWriter out(small);
    const auto sizes = encode_plane(stages, plane_, rows_, out, scratch_.buffers());
    ASSERT_TRUE(sizes);
    EXPECT_FALSE(sizes->fits);
  }
}

}  // namespace
}  // namespace sluice::kernels
