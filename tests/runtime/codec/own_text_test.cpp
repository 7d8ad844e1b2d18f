// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/own_text.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "runtime/engine/engine_options.hpp"
#include "tests/support/tiny_model.hpp"

namespace sluice::runtime {
namespace {

using Texts = std::vector<std::vector<TokenId>>;

class OwnText : public ::testing::Test {
 protected:
  OwnText() : model_(tiny_spec()) {
    prefill_ = PrefillEngine::create(model_, *engine_options("cpu", "f32", 1), {}).value();
    decode_ = DecodeEngine::create(model_, *engine_options("cpu", "f32", 1)).value();
  }
  Texts texts(const Texts& beginnings, const OwnTextOptions& options) {
    return own_texts(beginnings, *prefill_, *decode_, options).value();
  }

  TinyModel model_;
  std::unique_ptr<PrefillEngine> prefill_;
  std::unique_ptr<DecodeEngine> decode_;
};

TEST_F(OwnText, GoesOnFromItsBeginning) {
  const Texts beginnings = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}};
  std::int64_t last = 0;
  OwnTextOptions options{.tokens = 20, .seed = 3};
  options.progress = [&](std::int64_t done) { EXPECT_EQ(done, ++last); };
  const Texts written = texts(beginnings, options);
  EXPECT_EQ(last, 20);
  ASSERT_EQ(written.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(written[i].size(), beginnings[i].size() + 20);
    EXPECT_TRUE(std::equal(beginnings[i].begin(), beginnings[i].end(), written[i].begin()));
  }
}

TEST_F(OwnText, DependsOnItsOwnSeedAlone) {
  const Texts both = texts({{1, 2, 3}, {1, 2, 3}}, {.tokens = 20, .seed = 3});
  EXPECT_NE(both[0], both[1]);
  EXPECT_EQ(texts({{1, 2, 3}}, {.tokens = 20, .seed = 4})[0], both[1]);
}

TEST_F(OwnText, SomeTokensAreNeverDrawn) {
  std::vector<TokenId> never;
  for (TokenId token = 0; token < static_cast<TokenId>(tiny_spec().vocab); ++token) {
    if (token != 7 && token != 11) never.push_back(token);
  }
  const Texts written = texts({{1}}, {.tokens = 30, .never = never});
  for (std::size_t i = 1; i < written[0].size(); ++i) {
    EXPECT_TRUE(written[0][i] == 7 || written[0][i] == 11);
  }
  EXPECT_NE(std::count(written[0].begin(), written[0].end(), 7), 0);
  EXPECT_NE(std::count(written[0].begin(), written[0].end(), 11), 0);
}

TEST_F(OwnText, NeedsABeginning) {
  const auto written = own_texts(Texts{{}}, *prefill_, *decode_, {.tokens = 2});
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sluice::runtime
