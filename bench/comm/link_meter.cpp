// SPDX-License-Identifier: Apache-2.0
// What measuring a link costs: `bench_link_meter`. The last row is a second of one busy link, of
// 10,000 writes, a pace for each, and 20 readings of the card's counters; its counter says what
// share of a core that is. The card read is the loopback's, which Linux counts as it does others.
#include "comm/link/link_meter.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <ctime>

#include "comm/link/nic_counters.hpp"
#include "comm/link/pace.hpp"

namespace sluice::comm {
namespace {

constexpr std::int64_t kWriteUs = 100;
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr int kWritesPerSecond = 10'000;
constexpr int kReadingsPerSecond = 20;

// One write's life, and the pace of the next.
void write_once(LinkMeter& meter, std::int64_t& now_us) {
  meter.queued(kWriteBytes, now_us);
  now_us += kWriteUs;
  meter.completed(kWriteBytes, now_us - 4 * kWriteUs, now_us);
  benchmark::DoNotOptimize(pace_for(meter.estimate(now_us)));
}

void write_and_pace(benchmark::State& state) {
  LinkMeter meter;
  std::int64_t now_us = 1'000'000;
  for ([[maybe_unused]] auto _ : state) write_once(meter, now_us);
}
BENCHMARK(write_and_pace);

void read_card(benchmark::State& state) {
  const Result<NicCounters> card = NicCounters::open("tcp/lo");
  if (!card) return state.SkipWithError(card.error().message.c_str());
  LinkMeter meter;
  std::int64_t now_us = 1'000'000;
  for ([[maybe_unused]] auto _ : state) {
    meter.nic(card->read().value(), now_us);
    now_us += 50'000;
  }
}
BENCHMARK(read_card);

void second_of_a_busy_link(benchmark::State& state) {
  const Result<NicCounters> card = NicCounters::open("tcp/lo");
  if (!card) return state.SkipWithError(card.error().message.c_str());
  LinkMeter meter;
  std::int64_t now_us = 1'000'000;
  const std::clock_t began = std::clock();
  for ([[maybe_unused]] auto _ : state) {
    for (int i = 0; i < kReadingsPerSecond; ++i) {
      for (int j = 0; j < kWritesPerSecond / kReadingsPerSecond; ++j) write_once(meter, now_us);
      meter.nic(card->read().value(), now_us);
    }
  }
  const double seconds = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  state.counters["percent_of_a_core"] = 100.0 * seconds / static_cast<double>(state.iterations());
}
BENCHMARK(second_of_a_busy_link)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sluice::comm

BENCHMARK_MAIN();
