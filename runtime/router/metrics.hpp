// SPDX-License-Identifier: Apache-2.0
// What a router counts, as text in Prometheus' exposition format 0.0.4 (prometheus.io/docs/
// instrumenting/exposition_formats). docs/scheduler.md tells every name.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/router/prediction_board.hpp"
#include "runtime/router/router_options.hpp"
#include "scheduler/snapshot.hpp"

namespace sluice::runtime {

// Upper ends of the histogram of times to first token, in seconds; the last one is infinity.
inline constexpr std::array<double, 14> kTtftBounds = {0.025, 0.05, 0.1, 0.25, 0.5,  0.75, 1.0,
                                                       1.5,   2.5,  5.0, 10.0, 20.0, 40.0, 80.0};

// Any thread.
class Metrics {
 public:
  // Each is short: it never waits for whoever reads.
  void decided(const DecisionReport& report);
  void ended(const OutcomeReport& report);
  // An answer's end, by its HTTP status; 499: its client hung up.
  void answered(int http_status);

  // Of PredictionBoard.
  double correction() const;

  std::string text() const;

 private:
  struct Histogram {
    std::array<std::int64_t, kTtftBounds.size() + 1> counts{};  // each alone
    double sum = 0.0;
  };
  struct Link {
    std::uint32_t prefill_node = 0;
    std::uint32_t decode_node = 0;
    double free_bytes_per_s = 0.0;
  };
  struct Worker {
    std::uint32_t node = 0;
    bool is_decode = false;
    bool is_alive = true;
    std::int64_t requests = 0;
    std::int64_t queued_tokens = 0;
    std::int64_t free_tokens = -1;
  };
  using Pair = std::pair<std::string, std::string>;

  void take(const scheduler::Snapshot& snapshot);

  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> answers_;               // by outcome
  std::map<Pair, std::int64_t> decisions_;                    // by verdict and level
  std::map<Pair, std::int64_t> refusals_;                     // by class and reason
  std::map<std::string, Histogram, std::less<>> ttft_;        // by class
  std::map<std::string, std::int64_t, std::less<>> in_time_;  // by class
  std::int64_t unanswered_ = 0;
  std::int64_t queued_ = 0;
  std::vector<Link> links_;
  std::vector<Worker> workers_;
  PredictionBoard board_;
};

}  // namespace sluice::runtime
