// SPDX-License-Identifier: Apache-2.0
// Handoffs without a model between processes of this host, by the engines that the workers use.
// JSON on the standard output, a table on the standard error; exit code 1 when a requirement is
// missed.
//
//   bench_handoff [--transport ucx] [--handoffs 300] [--spin]       what a handoff costs
//   bench_handoff --kills 10000 [--deaths 200] [--senders 2] [--seed 1] [--reclaim-limit-s 2]
//
// The first: the time from the grant to "all layers are usable" less that of the same bytes by
// plain writes of a MiB and a flush, in between in the same run: what our software adds, step by
// step, for a small prompt's KV and for that of 1,000 tokens. And what goodput is left of it.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "bench/comm/handoff_kills.hpp"
#include "bench/comm/handoff_timing.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t kTokenBytes = 768;  // of one layer, as the default model's

struct Options {
  TimingOptions timing;
  KillOptions kills;
  double reclaim_limit_s = 2;
};

struct Step {
  const char* name;
  std::function<double(const Moments&)> us;
};

double us(std::int64_t from, std::int64_t to) { return static_cast<double>(to - from); }

const std::vector<Step>& steps() {
  static const std::vector<Step> all = {
      {"open to grant", [](const Moments& m) { return us(m.opened, m.granted); }},
      {"grant to posted", [](const Moments& m) { return us(m.granted, m.posted); }},
      {"posted to flushed", [](const Moments& m) { return us(m.posted, m.flushed); }},
      {"flushed to announced", [](const Moments& m) { return us(m.flushed, m.announced); }},
      {"announced to manifest", [](const Moments& m) { return us(m.announced, m.closed); }},
      {"manifest to usable", [](const Moments& m) { return us(m.closed, m.usable); }},
      {"usable to ended", [](const Moments& m) { return us(m.usable, m.ended); }},
  };
  return all;
}

std::vector<double> all_of(const Timing& timing,
                           const std::function<double(const Moments&)>& us_of) {
  std::vector<double> values;
  for (const Moments& moments : timing.handoffs) values.push_back(us_of(moments));
  return values;
}

nlohmann::json quantiles(const std::vector<double>& values) {
  return {{"p50", quantile(values, 0.5)},
          {"p90", quantile(values, 0.9)},
          {"p99", quantile(values, 0.99)}};
}

nlohmann::json time_load(TimingOptions options, const char* name, std::int64_t tokens) {
  options.load.frame_bytes = static_cast<std::size_t>(tokens) * kTokenBytes;
  options.in_flight = 1;
  const Timing alone = time_handoffs(options);
  const double wire_us = quantile(alone.plain_us, 0.5);
  const auto whole = all_of(alone, [](const Moments& m) { return us(m.granted, m.usable); });
  std::vector<double> overhead;
  for (const double each : whole) overhead.push_back(each - wire_us);
  const auto own =
      all_of(alone, [](const Moments& m) { return us(m.granted, m.usable) - m.writing_us; });
  options.in_flight = 2;
  const Timing stream = time_handoffs(options);
  const double bytes = static_cast<double>(alone.bytes);
  const double plain = bytes / wire_us / 1e3;
  const double goodput = bytes / quantile(whole, 0.5) / 1e3;
  const double stream_plain = 2 * bytes / quantile(stream.plain_us, 0.5) / 1e3;
  const double streamed = bytes * static_cast<double>(options.handoffs) / stream.all_us / 1e3;
  nlohmann::json report = {{"load", name},
                           {"tokens", tokens},
                           {"bytes", alone.bytes},
                           {"frames", options.load.frames},
                           {"overhead_us", quantiles(overhead)},
                           {"beside_write_calls_us", quantiles(own)},
                           {"grant_to_usable_us", quantiles(whole)},
                           {"plain_us", quantiles(alone.plain_us)},
                           {"plain_gb_per_s", plain},
                           {"gb_per_s", goodput},
                           {"share_of_plain", goodput / plain},
                           {"streamed_gb_per_s", streamed},
                           {"streamed_share_of_plain", streamed / stream_plain},
                           {"way", alone.way}};
  std::fprintf(stderr, "%s: %d frames, %.2f MB, over %s\n", name, options.load.frames, bytes / 1e6,
               alone.way.c_str());
  std::fprintf(stderr, "  %-24s %9s %9s %9s\n", "microseconds", "p50", "p90", "p99");
  const auto line = [&](const char* what, const std::vector<double>& values) {
    std::fprintf(stderr, "  %-24s %9.0f %9.0f %9.0f\n", what, quantile(values, 0.5),
                 quantile(values, 0.9), quantile(values, 0.99));
  };
  for (const Step& step : steps()) {
    report["steps_us"][step.name] = quantiles(all_of(alone, step.us));
    line(step.name, all_of(alone, step.us));
  }
  line("grant to usable", whole);
  line("plain writes", alone.plain_us);
  line("overhead", overhead);
  line("beside write() itself", own);
  std::fprintf(
      stderr,
      "  goodput %.2f GB/s, %.0f %% of %.2f GB/s; two at a time %.2f GB/s, %.0f %% of %.2f GB/s\n",
      goodput, 100 * goodput / plain, plain, streamed, 100 * streamed / stream_plain, stream_plain);
  return report;
}

// ucp_put_bw of ucx_perftest at a MiB, GB/s; null where there is none.
nlohmann::json perftest() {
  constexpr const char* kCommand =
      "command -v ucx_perftest >/dev/null || exit 0; ucx_perftest -p 14377 >/dev/null 2>&1 & "
      "sleep 0.5; ucx_perftest localhost -p 14377 -t ucp_put_bw -s 1048576 -n 2000 -w 200 -f "
      "2>/dev/null; wait";
  FILE* output = ::popen(kCommand, "r");
  if (output == nullptr) return nullptr;
  // The last line: iterations; us typical, average, overall; MiB/s average, overall; ...
  nlohmann::json rate = nullptr;
  char line[512];
  while (std::fgets(line, sizeof line, output) != nullptr) {
    const char* numbers = line;
    while (*numbers != '\0' && (*numbers < '0' || *numbers > '9')) ++numbers;
    double values[6];
    if (std::sscanf(numbers, "%lf %lf %lf %lf %lf %lf", values, values + 1, values + 2, values + 3,
                    values + 4, values + 5) == 6) {
      rate = values[5] * 1048576 / 1e9;
    }
  }
  ::pclose(output);
  return rate;
}

int run_timing(const Options& options) {
  nlohmann::json report = {{"transport", options.timing.transport},
                           {"waits", options.timing.is_spinning ? "spins" : "sleeps"}};
  report["loads"].push_back(time_load(options.timing, "small prompt", 8));
  report["loads"].push_back(time_load(options.timing, "1,000 tokens", 1000));
  report["ucx_perftest_gb_per_s"] = perftest();
  if (!report["ucx_perftest_gb_per_s"].is_null()) {
    std::fprintf(stderr, "ucx_perftest, ucp_put_bw at 1 MiB: %.2f GB/s\n",
                 report["ucx_perftest_gb_per_s"].get<double>());
  }
  std::printf("%s\n", report.dump(2).c_str());
  return 0;
}

int run_deaths(const Options& options) {
  const nlohmann::json report = run_kills(options.kills);
  std::printf("%s\n", report.dump(2).c_str());
  const double reclaim_s = report["reclaim_us"]["max"].get<double>() / 1e6;
  std::fprintf(
      stderr,
      "%lld handoffs, %lld deaths (%lld of the receiver), %lld sides that UCX ended after one, "
      "%lld handoffs begun anew: %llu wrong frames, %llu + %llu bytes leaked, "
      "back after a death in %.1f ms at most, %.1f s\n",
      report["handoffs"].get<long long>(), report["deaths"].get<long long>(),
      report["receiver_deaths"].get<long long>(), report["aborted"].get<long long>(),
      report["retries"].get<long long>(), report["wrong_frames"].get<unsigned long long>(),
      report["leaked_slot_bytes"].get<unsigned long long>(),
      report["leaked_staging_bytes"].get<unsigned long long>(), reclaim_s * 1e3,
      report["seconds"].get<double>());
  bool is_good = reclaim_s <= options.reclaim_limit_s &&
                 report["handoffs"].get<std::int64_t>() == options.kills.handoffs &&
                 report["deaths"].get<std::int64_t>() == options.kills.deaths;
  for (const char* count :
       {"wrong_frames", "leaked_slot_bytes", "leaked_staging_bytes", "open_requests", "unended"}) {
    is_good = is_good && report[count].get<std::uint64_t>() == 0;
  }
  return is_good ? 0 : 1;
}

Options read_options(int count, char** words) {
  Options options;
  bool has_deaths = false;
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name == "--spin") {
      options.timing.is_spinning = true;
      continue;
    }
    if (i + 1 == count) fail("unknown option or no value: " + name);
    const char* value = words[++i];
    if (name == "--transport") {
      options.timing.transport = options.kills.transport = value;
    } else if (name == "--handoffs") {
      options.timing.handoffs = std::strtoull(value, nullptr, 10);
    } else if (name == "--kills") {
      options.kills.handoffs = std::strtoll(value, nullptr, 10);
    } else if (name == "--deaths") {
      options.kills.deaths = std::strtoll(value, nullptr, 10);
      has_deaths = true;
    } else if (name == "--senders") {
      options.kills.senders = static_cast<std::uint32_t>(std::strtoul(value, nullptr, 10));
    } else if (name == "--seed") {
      options.kills.seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--reclaim-limit-s") {
      options.reclaim_limit_s = std::strtod(value, nullptr);
    } else {
      fail("unknown option: " + name);
    }
  }
  if (options.kills.senders < 1 || options.timing.handoffs < 1) fail("at least one");
  if (!has_deaths) options.kills.deaths = options.kills.handoffs / 50;
  return options;
}

}  // namespace
}  // namespace sluice::bench

int main(int count, char** words) {
  const auto options = sluice::bench::read_options(count, words);
  return options.kills.handoffs > 0 ? sluice::bench::run_deaths(options)
                                    : sluice::bench::run_timing(options);
}
