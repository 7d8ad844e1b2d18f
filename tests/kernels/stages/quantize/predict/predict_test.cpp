// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/predict/predict.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "kernels/core/dtype.hpp"
#include "kernels/stages/quantize/waterfill/deviation_class.hpp"
#include "tests/kernels/stages/quantize/each_target.hpp"
#include "tests/support/quantized_plane.hpp"

namespace sluice::kernels {
namespace {

using ::testing::HasSubstr;
using testing_support::for_each_target;
using testing_support::make_stage;
using testing_support::rms_error;

constexpr std::int64_t kWidth = 8;
constexpr std::int64_t kLayers = 4;  // frames of 3 and of 1
constexpr std::int64_t kFrame = 3;
constexpr std::int64_t kColumns = kFrame * 2 * kWidth;
constexpr std::int64_t kBegun = 3;  // rows that every prompt begins with

CacheShape shape_of_all() {
  return {.layers = kLayers, .kv_heads = 2, .head_dim = 4, .model_fingerprint = 1, .rope = {}};
}

// What a frame's layers hold: K follows from the layer before, V from its layer's K, but for noise.
std::vector<float> made_up_rows(std::int64_t rows, unsigned seed) {
  std::mt19937 random(seed);
  std::mt19937 begins(99);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::vector<float> last(kWidth, 0.0F);
    for (std::int64_t block = 0; block < 2 * kFrame; ++block) {
      std::vector<float> now;
      for (std::int64_t i = 0; i < kWidth; ++i) {
        const float noise = normal(row < kBegun ? begins : random);
        const auto other = static_cast<std::size_t>((i + 3) % kWidth);
        now.push_back(block == 0
                          ? 3.0F * noise + 5.0F
                          : last[other] - 0.5F * last[static_cast<std::size_t>(i)] + 0.1F * noise);
      }
      values.insert(values.end(), now.begin(), now.end());
      last = now;
    }
  }
  return values;
}

struct Coded {
  std::vector<std::uint8_t> symbols;
  std::vector<std::byte> side;
  SymbolShape shape;
};

class Predict : public ::testing::Test {
 protected:
  Predict() {
    std::iota(positions_.begin(), positions_.end(), 0);
    profile_ = learnt({});
  }

  static ConstMatrix matrix(const std::vector<float>& values) {
    return {values.data(), static_cast<std::int64_t>(values.size()) / kColumns, kColumns, kColumns};
  }

  Plane plane(const Profile* profile) const {
    Plane plane;
    plane.shape = &shape_;
    plane.profile = profile;
    plane.tables = "p";
    plane.half = KvHalf::kBoth;
    plane.layer_count = kFrame;
    plane.head_count = shape_.kv_heads;
    plane.positions = positions_;
    return plane;
  }

  static ParameterMap parameters(ParameterMap more) {
    more.try_emplace("layers", double{kFrame});
    more.try_emplace("features", 6.0);
    more.try_emplace("step", 0.125);
    return more;
  }

  // From two texts, which begin alike.
  Profile learnt(ParameterMap more) const {
    const auto stage = make_stage(predict_row(), parameters(std::move(more)));
    const auto learner = stage->calibration();
    for (const unsigned seed : {1U, 2U}) {
      const auto rows = made_up_rows(kRows, seed);
      EXPECT_TRUE(learner->observe(plane(nullptr), matrix(rows)));
    }
    Profile profile;
    const Status done = learner->finish(profile);
    EXPECT_TRUE(done) << done.error().message;
    return profile;
  }

  Coded encode(const Stage& stage, const std::vector<float>& values, std::int64_t tile) const {
    const auto& quantize = dynamic_cast<const QuantizeStage&>(stage);
    ByteWriter head;
    auto plan = quantize.begin_encode(plane(&profile_), kColumns, {}, head);
    Coded coded;
    if (!plan) {
      ADD_FAILURE() << plan.error().message;
      return coded;
    }
    EXPECT_TRUE(head.bytes().empty());
    coded.shape = (*plan)->symbols();
    const ConstMatrix all = matrix(values);
    coded.symbols.resize(values.size(), 99);
    for (std::int64_t row = 0; row < all.rows; row += tile) {
      const std::int64_t count = std::min(tile, all.rows - row);
      std::vector<std::byte> side((*plan)->side_bytes_max(count));
      side.resize((*plan)->encode(row, {all.row(row), count, kColumns, kColumns},
                                  coded.symbols.data() + row * kColumns, side.data()));
      coded.side.insert(coded.side.end(), side.begin(), side.end());
    }
    return coded;
  }

  Result<std::vector<float>> decode(const Stage& stage, const Coded& coded,
                                    std::int64_t tile) const {
    const auto& quantize = dynamic_cast<const QuantizeStage&>(stage);
    ByteReader none({});
    auto plan = SLUICE_TRY(quantize.begin_decode(plane(&profile_), kColumns, none));
    std::vector<float> values(coded.symbols.size());
    Bytes side = coded.side;
    const auto rows = static_cast<std::int64_t>(values.size()) / kColumns;
    for (std::int64_t row = 0; row < rows; row += tile) {
      const std::int64_t count = std::min(tile, rows - row);
      side = side.subspan(
          SLUICE_TRY(plan->decode(row, coded.symbols.data() + row * kColumns, side,
                                  {values.data() + row * kColumns, count, kColumns, kColumns})));
    }
    EXPECT_TRUE(side.empty());
    return values;
  }

  static constexpr std::int64_t kRows = 150;
  CacheShape shape_ = shape_of_all();
  std::vector<std::int32_t> positions_ = std::vector<std::int32_t>(kRows);
  Profile profile_;
};

// The decoder as spec.md says it, value by value.
class Oracle {
 public:
  Oracle(const Profile& profile, const SymbolShape& shape, float step, std::int64_t features)
      : profile_(profile), shape_(shape), step_(step), features_(features) {}

  std::vector<float> row(const std::uint8_t* symbols, std::int64_t position, std::int64_t known) {
    std::vector<float> all;
    std::vector<std::vector<float>> features;
    for (std::int64_t block = 0; block < 2 * kFrame; ++block) {
      name_ = std::string(block % 2 == 0 ? ".k." : ".v.") + std::to_string(block / 2);
      const float* mean = tensor("mean").as<float>();
      std::vector<float> x(mean, mean + kWidth);
      predict(block, features, x);
      if (position < known) {
        const float* begun = tensor("known").as<float>() + position * kWidth;
        x.assign(begun, begun + kWidth);
      }
      add_components(symbols + block * kWidth, block, x);
      all.insert(all.end(), x.begin(), x.end());
      features.emplace_back(features_, 0.0F);
      if (block + 1 == 2 * kFrame) break;
      const auto* feature = tensor("feature").as<std::uint16_t>();
      for (std::int64_t c = 0; c < kWidth; ++c) {
        for (std::int64_t f = 0; f < features_; ++f) {
          features.back()[static_cast<std::size_t>(f)] +=
              (x[static_cast<std::size_t>(c)] - mean[c]) *
              f32_from_bf16(feature[c * features_ + f]);
        }
      }
    }
    return all;
  }

 private:
  TensorView tensor(const char* what) const {
    return *profile_.find("predict.p." + std::string(what) + name_);
  }

  void predict(std::int64_t block, const std::vector<std::vector<float>>& features,
               std::vector<float>& x) const {
    std::vector<std::int64_t> inputs;  // the layer before, the one before that, K of the layer
    for (const std::int64_t back : {1, 2}) {
      const std::int64_t key = block - block % 2 - 2 * back;
      if (key < 0) break;
      inputs.insert(inputs.end(), {key, key + 1});
    }
    if (block % 2 == 1) inputs.push_back(block - 1);
    if (inputs.empty()) return;
    const auto* weight = tensor("weight").as<std::uint16_t>();
    for (const std::int64_t input : inputs) {
      for (std::int64_t f = 0; f < features_; ++f) {
        const float feature =
            features[static_cast<std::size_t>(input)][static_cast<std::size_t>(f)];
        for (float& value : x) value += feature * f32_from_bf16(*weight++);
      }
    }
  }

  void add_components(const std::uint8_t* symbols, std::int64_t block,
                      std::vector<float>& x) const {
    const float* offsets = profile_.find("waterfill.p.offset")->as<float>();
    const float* inverse = tensor("inverse").as<float>();
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const auto column = static_cast<std::size_t>(block * kWidth + i);
      const int reach = shape_.bits[column] == 4 ? 7 : 127;
      const int number = symbols[i] - reach;
      const int size = std::abs(number);
      float value = static_cast<float>(size);
      if (size < 16) value += offsets[shape_.context[column] * 16 + size];
      value *= step_;
      if (number < 0) value = -value;
      for (std::int64_t c = 0; c < kWidth; ++c) {
        x[static_cast<std::size_t>(c)] += value * inverse[i * kWidth + c];
      }
    }
  }

  const Profile& profile_;
  const SymbolShape& shape_;
  float step_;
  std::int64_t features_;
  std::string name_;
};

TEST_F(Predict, DecodesAsItsFormulaSaysOnEveryCpu) {
  const auto stage = make_stage(predict_row(), parameters({}));
  const auto values = made_up_rows(kRows, 5);
  const Coded coded = encode(*stage, values, 32);
  ASSERT_EQ(coded.side.size(), 2U);  // how many rows are known; nothing escapes
  Oracle oracle(profile_, coded.shape, 0.125F, 6);
  for_each_target([&] {
    EXPECT_EQ(encode(*stage, values, 64).symbols, coded.symbols);
    for (const std::int64_t tile : {32, 150}) {
      const auto decoded = decode(*stage, coded, tile);
      ASSERT_TRUE(decoded) << decoded.error().message;
      for (std::int64_t row = 0; row < kRows; ++row) {
        const auto expected = oracle.row(coded.symbols.data() + row * kColumns, row, kBegun);
        const std::vector<float> got(decoded->begin() + row * kColumns,
                                     decoded->begin() + (row + 1) * kColumns);
        ASSERT_EQ(got, expected) << row;
      }
    }
  });
}

TEST_F(Predict, ErrsByAboutItsStep) {
  const auto values = made_up_rows(kRows, 5);
  double before = 0;
  for (const double step : {0.03, 0.125, 0.5}) {
    const auto stage = make_stage(predict_row(), parameters({{"step", step}}));
    const auto decoded = decode(*stage, encode(*stage, values, 32), 32);
    ASSERT_TRUE(decoded);
    const double error = rms_error(*decoded, values);
    EXPECT_LT(error, 0.45 * step);
    EXPECT_GT(error, before);
    before = error;
  }
}

TEST_F(Predict, LeavesOfALayerWhatTheOnesBeforeDoNotTell) {
  const auto total = [](const Profile& profile, const char* name) {
    const TensorView variance = *profile.find(name);
    return std::accumulate(variance.as<float>(), variance.as<float>() + kWidth, 0.0F);
  };
  const Profile apart = learnt({{"previous", 0.0}});
  for (const char* name : {"predict.p.variance.k.1", "predict.p.variance.k.2"}) {
    EXPECT_LT(total(profile_, name), 0.05F * total(apart, name)) << name;
  }
  // V follows from K of its own layer in both; nothing tells of the first K.
  EXPECT_LT(total(apart, "predict.p.variance.v.2"), 1.0F);
  EXPECT_EQ(total(profile_, "predict.p.variance.k.0"), total(apart, "predict.p.variance.k.0"));
  EXPECT_EQ(profile_.find("predict.p.weight.k.0"), std::nullopt);
}

TEST_F(Predict, RowsThatEveryPromptBeginsWithAreKnown) {
  ASSERT_EQ(profile_.find("predict.p.known.k.0")->shape[0], kBegun);
  const auto stage = make_stage(predict_row(), parameters({}));
  auto values = made_up_rows(kRows, 5);
  const auto known_of = [&] {
    const Coded coded = encode(*stage, values, 32);
    std::uint16_t known = 99;
    std::memcpy(&known, coded.side.data(), sizeof known);
    for (std::int64_t i = 0; i < known * kColumns; ++i) {
      const auto column = static_cast<std::size_t>(i % kColumns);
      const int middle = coded.shape.bits[column] == 4 ? 7 : 127;
      EXPECT_EQ(coded.symbols[static_cast<std::size_t>(i)], middle);
    }
    return known;
  };
  EXPECT_EQ(known_of(), kBegun);
  values[kColumns + 2] += 40.0F;  // another template from the second row on
  EXPECT_EQ(known_of(), 1);
  values[3] += 40.0F;
  EXPECT_EQ(known_of(), 0);
}

TEST_F(Predict, FarNumbersEscapeAndHostileOnesStayNumbers) {
  const auto stage = make_stage(predict_row(), parameters({}));
  auto values = made_up_rows(kRows, 5);
  values[70 * kColumns + 20] = 1000.0F;
  values[70 * kColumns + 3] = -1000.0F;
  Coded coded = encode(*stage, values, 32);
  ASSERT_GT(coded.side.size(), 2 + 2 * sizeof(std::int32_t));
  EXPECT_EQ(encode(*stage, values, 64).side, coded.side);
  const auto decoded = decode(*stage, coded, 64);
  ASSERT_TRUE(decoded);
  EXPECT_LT(rms_error(*decoded, values), 0.1);
  Coded hostile = coded;
  for (std::size_t i = 2; i < hostile.side.size(); ++i) hostile.side[i] = std::byte{0x7f};
  const auto wild = decode(*stage, hostile, 32);
  ASSERT_TRUE(wild);
  for (const float value : *wild) ASSERT_TRUE(std::isfinite(value));
  hostile.side.resize(hostile.side.size() - 1);
  EXPECT_EQ(decode(*stage, hostile, 32).error().code, ErrorCode::kCorrupt);
  coded.side[0] = std::byte{kBegun + 1};
  EXPECT_EQ(decode(*stage, coded, 32).error().code, ErrorCode::kCorrupt);
  coded.side.resize(1);
  EXPECT_FALSE(decode(*stage, coded, 32));
}

TEST_F(Predict, RefusesWhatIsNoWholeFrame) {
  const auto stage = make_stage(predict_row(), parameters({}));
  const auto& quantize = dynamic_cast<const QuantizeStage&>(*stage);
  EXPECT_TRUE(quantize.joins_halves());
  EXPECT_TRUE(quantize.needs_all_heads());
  EXPECT_EQ(quantize.layers_per_frame(), kFrame);
  const auto refusal = [&](const Plane& plane, std::int64_t columns) {
    ByteReader none({});
    const auto plan = quantize.begin_decode(plane, columns, none);
    return plan ? std::string("none") : plan.error().message;
  };
  Plane part = plane(&profile_);
  part.head_count = 1;
  EXPECT_THAT(refusal(part, part.columns()), HasSubstr("all heads"));
  Plane half = plane(&profile_);
  half.half = KvHalf::kValue;
  EXPECT_THAT(refusal(half, half.columns()), HasSubstr("K and V"));
  Plane shifted = plane(&profile_);
  shifted.layer_first = 1;
  EXPECT_THAT(refusal(shifted, kColumns), HasSubstr("frames of 3 layers"));
  Plane short_of_layers = plane(&profile_);
  short_of_layers.layer_count = 2;
  EXPECT_THAT(refusal(short_of_layers, short_of_layers.columns()), HasSubstr("frames of 3"));
  EXPECT_THAT(refusal(plane(&profile_), kColumns - 1), HasSubstr("columns"));
  EXPECT_THAT(refusal(plane(nullptr), kColumns), HasSubstr("sluice codec calibrate"));
  // The model's last layer is a frame of its own, which this profile has not learnt.
  Plane last = plane(&profile_);
  last.layer_first = 3;
  last.layer_count = 1;
  EXPECT_THAT(refusal(last, last.columns()), HasSubstr("predict.p.mean.k.3"));
}

TEST_F(Predict, LearnsTheSameOnEveryCpuAndSaysWhatItLacks) {
  const std::uint64_t hash = profile_.hash();
  for_each_target([&] { EXPECT_EQ(learnt({}).hash(), hash); });
  const auto stage = make_stage(predict_row(), parameters({{"weight", std::string("fisher")}}));
  const auto learner = stage->calibration();
  const auto rows = made_up_rows(kRows, 1);
  ASSERT_TRUE(learner->observe(plane(nullptr), matrix(rows)));
  Profile profile;
  const Status done = learner->finish(profile);
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("fisher.k.0"));
}

}  // namespace
}  // namespace sluice::kernels
