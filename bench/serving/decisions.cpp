// SPDX-License-Identifier: Apache-2.0
// Decisions per second of every policy, on one core: items_per_second. Clusters half of prefill,
// half of decode workers, with links of all rates that have carried something, hosts of 16 ranks
// with an uplink each, and a table of ten levels. Requests of many lengths in turn, in one of two
// worlds: links that are wide enough for all, and links that make levels coarse.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "scheduler/policy.hpp"

namespace {

using namespace sluice::scheduler;

constexpr std::uint32_t kHostRanks = 16;
constexpr std::uint32_t kLinksPerWorkerMax = 32;  // with more, few pairs have met

LevelTable ten_levels() {
  LevelTable levels;
  levels.raw_bytes_per_token = 23'040;
  levels.prefill_s_per_token = 7.7e-4;
  levels.decode_s_per_output_token = 0.015;
  double share = 1.0;
  for (int i = 0; i < 10; ++i, share *= 0.7) {
    Level level;
    level.bytes_per_token = levels.raw_bytes_per_token * share;
    level.encode_s_per_token = i == 0 ? 0.0 : 4e-4;
    level.decode_s_per_token = i == 0 ? 0.0 : 2e-4;
    level.kl = i == 0 ? 0.0 : 0.001 * std::pow(1.8, i);
    level.is_streaming = i % 3 != 2;
    levels.levels.push_back(level);
  }
  return levels;
}

struct World {
  LevelTable levels = ten_levels();
  Snapshot snapshot;
  std::vector<RequestShape> requests;
};

// Rates from `mbit_min` to 64 times that.
World make_world(std::uint32_t workers, double mbit_min) {
  World world;
  std::mt19937 random(1);
  const auto draw = [&](double most) {
    return most * static_cast<double>(random()) / 4294967296.0;
  };
  const auto worker_of = [&](std::uint32_t node) {
    WorkerState worker;
    worker.node = node;
    worker.requests = static_cast<std::int64_t>(random() % 4);
    worker.queued_tokens = worker.requests * static_cast<std::int64_t>(random() % 1000);
    worker.free_tokens = static_cast<std::int64_t>(random() % 60'000);
    worker.cached_tokens = random() % 8 == 0 ? 256 : 0;
    worker.prefill_speed = {0.01, 6e-4 + draw(4e-4), 1e-8};
    worker.step_s = 0.01 + draw(0.01);
    return worker;
  };
  const std::uint32_t half = workers / 2;
  for (std::uint32_t i = 0; i < half; ++i) {
    world.snapshot.prefill.push_back(worker_of(1 + i));
    world.snapshot.decode.push_back(worker_of(1 + half + i));
  }
  const std::uint32_t stride = std::max(half / kLinksPerWorkerMax, 1U);
  for (std::uint32_t i = 0; i < half; ++i) {
    for (std::uint32_t j = i % stride; j < half; j += stride) {
      LinkState link{1 + i, 1 + half + j, {}, 200};
      link.figures.capacity_bytes_per_s = mbit_min * std::exp2(draw(6.0)) * 1e6 / 8;
      link.figures.free_bytes_per_s = link.figures.capacity_bytes_per_s * (0.2 + draw(0.8));
      link.figures.queued_bytes = random() % 4 == 0 ? random() % 2'000'000 : 0;
      world.snapshot.links.push_back(link);
    }
  }
  for (std::uint32_t first = 1; first <= workers; first += kHostRanks) {
    std::vector<std::uint32_t> nodes;
    for (std::uint32_t node = first; node < first + kHostRanks; ++node) nodes.push_back(node);
    for (const bool is_outward : {true, false}) {
      UplinkState uplink{(first - 1) / kHostRanks, nodes, is_outward, {}};
      uplink.figures.capacity_bytes_per_s = mbit_min * 64 * 1e6 / 8;
      uplink.figures.free_bytes_per_s = draw(uplink.figures.capacity_bytes_per_s);
      world.snapshot.uplinks.push_back(uplink);
    }
  }
  world.snapshot.levels = &world.levels;
  world.snapshot.assumed_bytes_per_s = mbit_min * 8 * 1e6 / 8;
  for (int i = 0; i < 256; ++i) {
    RequestShape request;
    request.prompt_tokens = static_cast<std::int64_t>(std::exp2(5.0 + draw(8.0)));
    request.output_tokens_max = 256;
    request.ttft_slo_s = 4.0;
    request.kl_max = 0.2;
    world.requests.push_back(request);
  }
  return world;
}

void decide(benchmark::State& state, const std::string& policy_name, std::uint32_t workers,
            double mbit_min) {
  const World world = make_world(workers, mbit_min);
  const auto policy = create_policy(policy_name).value();
  std::size_t next = 0;
  double levels = 0.0;
  double late = 0.0;
  for (auto unused : state) {
    const RequestShape& request = world.requests[next++ % world.requests.size()];
    auto decision = policy->decide(world.snapshot, request);
    levels += decision ? decision->level : 0;
    late += decision && decision->prediction.ttft_s > request.ttft_slo_s ? 1.0 : 0.0;
    benchmark::DoNotOptimize(decision);
  }
  const auto count = static_cast<double>(state.iterations());
  state.SetItemsProcessed(state.iterations());
  state.counters["mean_level"] = levels / count;
  state.counters["late_share"] = late / count;
}

}  // namespace

int main(int argc, char** argv) {
  for (const PolicyRow& row : policy_table()) {
    for (const std::uint32_t workers : {64U, 4096U}) {
      for (const auto& [links, mbit_min] : {std::pair{"wide", 1000.0}, std::pair{"narrow", 0.5}}) {
        const std::string name =
            std::string(row.name) + "/" + std::to_string(workers) + "_workers/" + links;
        benchmark::RegisterBenchmark(name.c_str(), decide, std::string(row.name), workers,
                                     mbit_min);
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
