// SPDX-License-Identifier: Apache-2.0
// A small made-up study: every pipeline loses evenly, so that figures can be computed by hand.
#pragma once

#include <string>
#include <vector>

#include "runtime/config/study_config.hpp"
#include "runtime/evaluation/outcome.hpp"

namespace sluice::runtime {

// int4 (4x), best@4 (4x) and best@16 (16x), on squad and on needles of two lengths and two depths.
// KL 0.2, 0.01 and 0.04; NLL 1.5, 1 and 1.1 times the whole cache's; score 0.5, 1 and 0.9 of it.
inline Study made_up_study() {
  Study study;
  study.name = "1-made_up";
  study.title = "Does `best` lose less?";
  study.question = "What *others* say.";
  study.analysis = "It does.";
  for (const char* name : {"int4", "best@4", "best@16"}) {
    StudyPipeline pipeline;
    pipeline.spec.name = name;
    study.pipelines.push_back(pipeline);
  }
  study.pipelines[0].label = "4 bits | plain";
  study.pipelines[0].group = "quantizers";
  study.pipelines[0].published = {{"squad", 72.2}, {"all", 80.0}};
  return study;
}

inline std::vector<Outcome> made_up_outcomes() {
  struct Loss {
    const char* pipeline;
    std::int64_t bytes;
    double kl, nll, score;
  };
  std::vector<Outcome> outcomes;
  for (int item = 0; item < 12; ++item) {
    for (const Loss& loss :
         {Loss{kFullCache, 16000, 0, 1, 1}, Loss{"int4", 4000, 0.2, 1.5, 0.5},
          Loss{"best@4", 4000, 0.01, 1, 1}, Loss{"best@16", 1000, 0.04, 1.1, 0.9},
          Loss{"not_of_the_study", 1000, 9, 9, 0}}) {
      Outcome outcome;
      outcome.pipeline = loss.pipeline;
      outcome.task = item < 6 ? "squad" : "needle";
      outcome.item = std::to_string(item);
      outcome.tokens = 700;
      if (item >= 6) {
        outcome.length = item % 2 == 0 ? 512 : 1024;
        outcome.depth = item < 9 ? 0.0 : 1.0;
        outcome.keys = 1;
      }
      outcome.raw_bytes = 16000;
      outcome.bytes = loss.bytes;
      outcome.kl = loss.kl;
      outcome.nll = loss.nll * (item < 6 ? 2.0 : 0.5);
      outcome.score = loss.score;
      outcome.top1 = 1.0 - loss.kl;
      outcomes.push_back(outcome);
    }
  }
  return outcomes;
}

}  // namespace sluice::runtime
