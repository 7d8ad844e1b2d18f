// SPDX-License-Identifier: Apache-2.0
// A decision and its outcome as a router would report them: rank 1 to rank 3 at "int4".
#pragma once

#include <string>
#include <vector>

#include "runtime/router/router_options.hpp"

namespace sluice::runtime {

struct ReportFixture {
  scheduler::LevelTable levels;
  scheduler::Snapshot snapshot;
  scheduler::RequestShape shape;
  scheduler::Decision decision;
  std::vector<scheduler::Alternative> alternatives;
  RequestTimeline timeline;
  std::string slo_class = "interactive";
  std::string pipeline = "int4";
  double correction = 1.0;

  ReportFixture() {
    for (const char* name : {"raw", "int8", "int4"}) {
      scheduler::Level level;
      level.pipeline = name;
      level.bytes_per_token = 100.0;
      levels.levels.push_back(level);
    }
    snapshot.levels = &levels;
    snapshot.prefill = {{.node = 1, .requests = 2, .queued_tokens = 900}, {.node = 2}};
    snapshot.decode = {{.node = 3, .requests = 1, .free_tokens = 5000},
                       {.node = 4, .alive = false}};
    snapshot.links = {{.prefill_node = 1, .decode_node = 3, .figures = {}, .round_trip_us = 250}};
    snapshot.links[0].figures.free_bytes_per_s = 1.25e6;
    snapshot.links[0].figures.queued_bytes = 77;
    snapshot.assumed_bytes_per_s = 1e9;
    shape.prompt_tokens = 1000;
    shape.output_tokens_max = 16;
    shape.ttft_slo_s = 2.0;
    shape.waited_s = 0.25;
    shape.kl_max = 0.1;
    decision = {.prefill_node = 1,
                .decode_node = 3,
                .level = 2,
                .prediction = predicted(0.8),
                .reason = "least loss within the objective"};
    alternatives = {way(1, 3, 2, 0.8), way(1, 3, 1, 1.6), way(1, 3, 0, 3.2), way(2, 3, 2, 0.9),
                    way(2, 3, 1, 1.7)};
    timeline.pipeline = "int4";
    timeline.prompt_tokens = 1000;
    timeline.prefill_us = 500'000;
    timeline.kv_bytes_wire = 200'000;
    timeline.link_bytes_per_s = 1e6;
  }

  static scheduler::Prediction predicted(double ttft_s) {
    return {.queue_s = 0.1,
            .prefill_s = 0.4,
            .encode_s = 0.05,
            .wire_s = 0.3,
            .decode_s = 0.02,
            .ttft_s = ttft_s,
            .kl = 0.03,
            .bytes = 201'000.0};
  }
  static scheduler::Alternative way(std::uint32_t prefill, std::uint32_t decode, std::int32_t level,
                                    double ttft_s) {
    return {.prefill_node = prefill,
            .decode_node = decode,
            .level = level,
            .prediction = predicted(ttft_s)};
  }

  DecisionReport decided(RequestId request = 7) const {
    return {.request = request,
            .attempt = 1,
            .time_us = 0,
            .slo_class = slo_class,
            .shape = shape,
            .snapshot = snapshot,
            .decision = decision,
            .alternatives = alternatives,
            .pipeline = pipeline,
            .correction = correction,
            .prefill_cached_tokens = 64,
            .decode_cached_tokens = 0,
            .queued = 5};
  }
  // After it was placed a quarter second after its submission.
  OutcomeReport ended(double measured_s, RequestId request = 7) const {
    return {.request = request,
            .attempts = 1,
            .slo_class = slo_class,
            .slo_s = 2.0,
            .decision = decision,
            .predicted_s = 0.25 + 0.8 * correction,
            .measured_s = measured_s,
            .before_s = 0.25,
            .timeline = timeline};
  }
};

}  // namespace sluice::runtime
