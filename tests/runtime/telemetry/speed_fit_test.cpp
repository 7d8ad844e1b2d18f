// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/speed_fit.hpp"

#include <gtest/gtest.h>

#include <random>

namespace sluice::runtime {
namespace {

// A worker with known speed, its times off by some noise, a few of them by a lot.
struct Worker {
  double fixed_s = 0.02;
  double s_per_token = 5e-4;
  double s_per_token_squared = 1e-7;
  double noise = 0.0;
  double outlier_chance = 0.0;
  std::mt19937_64 random{5};

  double seconds(std::int64_t tokens, std::int64_t before = 0) const {
    const auto n = static_cast<double>(tokens);
    const auto c = static_cast<double>(before);
    return fixed_s + s_per_token * n + s_per_token_squared * ((c + n) * (c + n) - c * c);
  }
  void run(SpeedFit& fit, std::int64_t tokens, std::int64_t before = 0) {
    double took_s = seconds(tokens, before) * (1.0 + noise * std::normal_distribution()(random));
    if (std::bernoulli_distribution(outlier_chance)(random)) took_s *= 6.0;
    fit.add(tokens, before, took_s);
  }
};

double predicted(const SpeedFit& fit, std::int64_t tokens, std::int64_t before = 0) {
  const scheduler::WorkerSpeed speed = fit.speed();
  const auto n = static_cast<double>(tokens);
  const auto c = static_cast<double>(before);
  return speed.fixed_s + speed.s_per_token * n +
         speed.s_per_token_squared * ((c + n) * (c + n) - c * c);
}

TEST(SpeedFit, NothingIsKnownOfNothing) {
  SpeedFit fit;
  fit.add(0, 0, 1.0);
  fit.add(10, 0, 0.0);
  EXPECT_FALSE(fit.speed().is_known());
}

TEST(SpeedFit, OneTimeIsARate) {
  SpeedFit fit;
  fit.add(100, 0, 0.25);
  EXPECT_DOUBLE_EQ(fit.speed().s_per_token, 0.0025);
  EXPECT_EQ(fit.speed().s_per_token_squared, 0.0);
}

TEST(SpeedFit, ExactTimesGiveTheWorkersSpeed) {
  Worker worker;
  SpeedFit fit;
  for (std::int64_t tokens = 100; tokens <= 4000; tokens += 300) worker.run(fit, tokens);
  EXPECT_NEAR(fit.speed().fixed_s, worker.fixed_s, 2e-3);
  EXPECT_NEAR(fit.speed().s_per_token, worker.s_per_token, 1e-5);
  EXPECT_NEAR(fit.speed().s_per_token_squared, worker.s_per_token_squared, 5e-9);
}

TEST(SpeedFit, TokensBehindCachedOnesCountTheirAttention) {
  Worker worker;
  SpeedFit fit;
  for (std::int64_t i = 0; i < 20; ++i) worker.run(fit, 100 + 97 * (i % 7), 500 * (i % 5));
  EXPECT_NEAR(predicted(fit, 1000, 3000) / worker.seconds(1000, 3000), 1.0, 0.02);
}

TEST(SpeedFit, NoiseAndOutliersMoveItLittle) {
  Worker worker{.noise = 0.05, .outlier_chance = 0.15};
  SpeedFit fit;
  std::uniform_int_distribution<std::int64_t> lengths(100, 4000);
  for (int i = 0; i < 60; ++i) worker.run(fit, lengths(worker.random));
  for (const std::int64_t tokens : {500, 1000, 2000, 4000}) {
    EXPECT_NEAR(predicted(fit, tokens) / worker.seconds(tokens), 1.0, 0.08) << tokens;
  }
}

TEST(SpeedFit, LengthsThatAreAlikeGiveNoParabola) {
  Worker worker{.noise = 0.03};
  SpeedFit fit;
  for (int i = 0; i < 60; ++i) worker.run(fit, 1000 + i % 7);
  EXPECT_NEAR(predicted(fit, 1000) / worker.seconds(1000), 1.0, 0.03);
  EXPECT_NEAR(predicted(fit, 3000) / worker.seconds(3000), 1.0, 0.35);
}

TEST(SpeedFit, AWorkerThatHasBecomeSlowerIsSoonKnownToBe) {
  Worker worker{.noise = 0.03};
  SpeedFit fit;
  std::uniform_int_distribution<std::int64_t> lengths(100, 4000);
  for (int i = 0; i < 60; ++i) worker.run(fit, lengths(worker.random));
  worker.s_per_token *= 2.0;
  for (int i = 0; i < 40; ++i) worker.run(fit, lengths(worker.random));
  EXPECT_NEAR(predicted(fit, 1500) / worker.seconds(1500), 1.0, 0.06);
}

}  // namespace
}  // namespace sluice::runtime
