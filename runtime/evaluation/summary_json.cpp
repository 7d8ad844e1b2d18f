// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/summary_json.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace sluice::runtime {
namespace {

using Json = nlohmann::ordered_json;

struct NamedInterval {
  const char* name;
  Interval PipelineSummary::*member;
};
constexpr NamedInterval kIntervals[] = {{"ratio", &PipelineSummary::ratio},
                                        {"score", &PipelineSummary::score},
                                        {"score_relative", &PipelineSummary::score_relative},
                                        {"exact_match", &PipelineSummary::exact_match},
                                        {"nll", &PipelineSummary::nll},
                                        {"nll_relative", &PipelineSummary::nll_relative},
                                        {"kl", &PipelineSummary::kl},
                                        {"top1", &PipelineSummary::top1},
                                        {"own_kl", &PipelineSummary::own_kl},
                                        {"own_top1", &PipelineSummary::own_top1}};

Json json_of(const PipelineSummary& summary) {
  Json json{{"pipeline", summary.pipeline},
            {"task", summary.task},
            {"items", summary.items},
            {"bits_per_element", summary.bits_per_element},
            {"encode_bytes_per_s", summary.encode_bytes_per_s},
            {"decode_bytes_per_s", summary.decode_bytes_per_s}};
  for (const NamedInterval& interval : kIntervals) {
    const Interval& value = summary.*interval.member;
    json[interval.name] = {{"mean", value.mean}, {"low", value.low}, {"high", value.high}};
  }
  return json;
}

}  // namespace

std::string summary_json(const EvalSubject& subject, std::span<const StudySummaries> studies) {
  Json json{{"model", subject.model},
            {"fingerprint", subject.fingerprint},
            {"data", subject.data},
            {"notes", subject.notes}};
  for (const StudySummaries& summarized : studies) {
    Json study{{"name", summarized.name}, {"title", summarized.title}};
    for (const PipelineSummary& summary : summarized.summaries) {
      study["summaries"].push_back(json_of(summary));
    }
    json["studies"].push_back(std::move(study));
  }
  return json.dump(1) + "\n";
}

}  // namespace sluice::runtime
