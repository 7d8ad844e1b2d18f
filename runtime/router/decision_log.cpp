// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/decision_log.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/router/line_file.hpp"

namespace sluice::runtime {
namespace {

using Json = nlohmann::ordered_json;
using scheduler::Verdict;

constexpr std::size_t kAlternativesMax = 8;

double system_clock_s() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

// To the microsecond, or the sixth digit of a share. What is no number becomes null.
Json rounded(double value) {
  return std::isfinite(value) ? Json(std::round(value * 1e6) / 1e6) : Json(nullptr);
}

// Bytes, or bytes per second.
Json whole(double value) {
  const bool fits = value >= 0.0 && value < 1e18;
  return fits ? Json(static_cast<std::int64_t>(value + 0.5)) : Json(nullptr);
}

std::string level_name(const scheduler::LevelTable* levels, std::int32_t level) {
  const auto index = static_cast<std::size_t>(level);
  if (levels == nullptr || level < 0 || index >= levels->levels.size()) return "";
  return levels->levels[index].pipeline;
}

Json parts_json(const scheduler::Prediction& prediction, double correction) {
  return {{"ttft_s", rounded(prediction.ttft_s * correction)},
          {"queue_s", rounded(prediction.queue_s * correction)},
          {"prefill_s", rounded(prediction.prefill_s * correction)},
          {"encode_s", rounded(prediction.encode_s * correction)},
          {"wire_s", rounded(prediction.wire_s * correction)},
          {"decode_s", rounded(prediction.decode_s * correction)},
          {"kl", rounded(prediction.kl)},
          {"bytes", whole(prediction.bytes)}};
}

Json figures_json(const scheduler::LinkFigures& figures) {
  return {{"capacity_bytes_per_s", whole(figures.capacity_bytes_per_s)},
          {"free_bytes_per_s", whole(figures.free_bytes_per_s)},
          {"goodput_bytes_per_s", whole(figures.goodput_bytes_per_s)},
          {"other_bytes_per_s", whole(figures.other_bytes_per_s)},
          {"queued_bytes", figures.queued_bytes},
          {"age_s", figures.age_us < 0 ? Json(nullptr) : Json(double(figures.age_us) / 1e6)}};
}

// Of the pair that was chosen: its link, null where it has sent nothing yet, and what it shares.
void add_links(const scheduler::Snapshot& snapshot, const scheduler::Decision& decision,
               Json& line) {
  Json link = nullptr;
  for (const scheduler::LinkState& state : snapshot.links) {
    if (state.prefill_node != decision.prefill_node) continue;
    if (state.decode_node != decision.decode_node) continue;
    link = figures_json(state.figures);
    link["round_trip_s"] = double(state.round_trip_us) / 1e6;
  }
  if (link.is_null()) line["assumed_bytes_per_s"] = whole(snapshot.assumed_bytes_per_s);
  line["link"] = std::move(link);
  Json uplinks = Json::array();
  for (const scheduler::UplinkState& uplink : snapshot.uplinks) {
    if (!uplink.carries(decision.prefill_node, decision.decode_node)) continue;
    Json one = {{"uplink", uplink.uplink}, {"direction", uplink.is_outward ? "out" : "in"}};
    one.update(figures_json(uplink.figures));
    uplinks.push_back(std::move(one));
  }
  if (!uplinks.empty()) line["uplinks"] = std::move(uplinks);
}

void add_worker(const std::vector<scheduler::WorkerState>& workers, std::uint32_t node,
                std::int64_t cached_tokens, Json& line, const char* key) {
  Json worker = {{"node", node}};
  for (const scheduler::WorkerState& state : workers) {
    if (state.node != node) continue;
    worker["requests"] = state.requests;
    worker["queued_tokens"] = state.queued_tokens;
    if (state.free_tokens >= 0) worker["free_tokens"] = state.free_tokens;
  }
  worker["cached_tokens"] = cached_tokens;
  line[key] = std::move(worker);
}

Json alternatives_json(const DecisionReport& report) {
  Json list = Json::array();
  for (const auto& other :
       best_alternatives(report.alternatives, report.decision, kAlternativesMax)) {
    Json one = {{"verdict", scheduler::verdict_name(other.verdict)}};
    if (other.verdict == Verdict::kPlace) one["prefill"] = other.prefill_node;
    one["decode"] = other.decode_node;
    if (other.level >= 0) one["level"] = level_name(report.snapshot.levels, other.level);
    one["ttft_s"] = rounded(other.prediction.ttft_s * report.correction);
    one["kl"] = rounded(other.prediction.kl);
    one["bytes"] = whole(other.prediction.bytes);
    list.push_back(std::move(one));
  }
  return list;
}

Json decision_json(const DecisionReport& report, double time_s) {
  const scheduler::RequestShape& shape = report.shape;
  const scheduler::Decision& decision = report.decision;
  Json line = {{"event", "decision"},
               {"time_s", rounded(time_s)},
               {"request", report.request},
               {"attempt", report.attempt},
               {"verdict", scheduler::verdict_name(decision.verdict)},
               {"reason", decision.reason},
               {"class", report.slo_class},
               {"ttft_slo_s", rounded(shape.ttft_slo_s)},
               {"kl_max", rounded(shape.kl_max)},
               {"waited_s", rounded(shape.waited_s)},
               {"queued", report.queued},
               {"prompt_tokens", shape.prompt_tokens},
               {"output_tokens_max", shape.output_tokens_max}};
  if (shape.question_tokens > 0) line["question_tokens"] = shape.question_tokens;
  if (decision.verdict == Verdict::kReject) {
    line["retry_after_s"] = rounded(decision.retry_after_s);
  }
  if (decision.verdict == Verdict::kPlace || decision.verdict == Verdict::kLocal) {
    if (decision.verdict == Verdict::kPlace) {
      add_worker(report.snapshot.prefill, decision.prefill_node, report.prefill_cached_tokens, line,
                 "prefill");
    }
    add_worker(report.snapshot.decode, decision.decode_node, report.decode_cached_tokens, line,
               "decode");
    if (!report.pipeline.empty()) {
      line["level"] = report.pipeline;
    } else if (decision.verdict == Verdict::kPlace) {
      line["level"] = "cluster";
    }
    if (shape.pinned_level >= 0 || shape.is_pinned_elsewhere) line["pinned"] = true;
    line["predicted"] = parts_json(decision.prediction, report.correction);
    line["correction"] = rounded(report.correction);
    if (decision.verdict == Verdict::kPlace) add_links(report.snapshot, decision, line);
  }
  if (Json list = alternatives_json(report); !list.empty()) line["alternatives"] = std::move(list);
  return line;
}

double seconds(std::int64_t microseconds) { return static_cast<double>(microseconds) / 1e6; }

// On the same footing as a Prediction: each on its own, also what was hidden behind another part.
Json measured_json(const RequestTimeline& timeline) {
  Json parts = {{"queue_s", rounded(seconds(timeline.queue_us))},
                {"prefill_s", rounded(seconds(timeline.prefill_us))},
                {"encode_s", rounded(seconds(timeline.encode_us))},
                {"decode_s", rounded(seconds(timeline.decode_us))},
                {"encode_exposed_s", rounded(seconds(timeline.encode_exposed_us))},
                {"wire_exposed_s", rounded(seconds(timeline.wire_us))},
                {"bytes", timeline.kv_bytes_wire}};
  if (timeline.link_bytes_per_s > 0.0) {
    const auto bytes = static_cast<double>(timeline.kv_bytes_wire);
    parts["wire_s"] = rounded(bytes / timeline.link_bytes_per_s);
    parts["link_bytes_per_s"] = whole(timeline.link_bytes_per_s);
  }
  if (timeline.prefill_cached_tokens > 0) {
    parts["prefill_cached_tokens"] = timeline.prefill_cached_tokens;
  }
  if (timeline.decode_cached_tokens > 0) {
    parts["decode_cached_tokens"] = timeline.decode_cached_tokens;
  }
  return parts;
}

Json outcome_json(const OutcomeReport& report, double time_s) {
  const bool is_answered = report.measured_s > 0.0;
  Json line = {{"event", is_answered ? "first_token" : "unanswered"},
               {"time_s", rounded(time_s)},
               {"request", report.request},
               {"attempts", report.attempts},
               {"class", report.slo_class},
               {"ttft_slo_s", rounded(report.slo_s)}};
  if (!is_answered) return line;
  line["ttft_s"] = rounded(report.measured_s);
  line["before_s"] = rounded(report.before_s);
  if (report.predicted_s > 0.0) {
    line["predicted_s"] = rounded(report.predicted_s);
    line["error"] = rounded((report.predicted_s - report.measured_s) / report.measured_s);
    const double modelled_s = report.decision.prediction.ttft_s;
    const double correction =
        modelled_s > 0.0 ? (report.predicted_s - report.before_s) / modelled_s : 1.0;
    line["predicted"] = parts_json(report.decision.prediction, correction);
  }
  line["measured"] = measured_json(report.timeline);
  if (!report.timeline.pipeline.empty()) line["pipeline"] = report.timeline.pipeline;
  if (!report.timeline.levels.empty()) line["levels"] = report.timeline.levels;
  return line;
}

Json start_json(std::string_view policy, const scheduler::LevelTable* levels, double time_s) {
  Json line = {{"event", "start"}, {"time_s", rounded(time_s)}, {"policy", policy}};
  Json list = Json::array();
  for (const auto& level : levels == nullptr ? std::vector<scheduler::Level>{} : levels->levels) {
    list.push_back({{"level", level.pipeline},
                    {"bytes_per_token", rounded(level.bytes_per_token)},
                    {"kl", rounded(level.kl)},
                    {"streaming", level.is_streaming}});
  }
  line["levels"] = std::move(list);
  return line;
}

class JsonDecisionLog : public DecisionLog {
 public:
  JsonDecisionLog(std::unique_ptr<LineFile> file, std::function<double()> clock)
      : file_(std::move(file)), clock_(std::move(clock)) {}

  void started(std::string_view policy, const scheduler::LevelTable* levels) override {
    write(start_json(policy, levels, clock_()));
  }
  void decided(const DecisionReport& report) override { write(decision_json(report, clock_())); }
  void ended(const OutcomeReport& report) override { write(outcome_json(report, clock_())); }

 private:
  void write(const Json& line) {
    file_->push(line.dump(-1, ' ', false, Json::error_handler_t::replace));
  }

  std::unique_ptr<LineFile> file_;
  std::function<double()> clock_;
};

}  // namespace

Result<std::unique_ptr<DecisionLog>> DecisionLog::open(const std::filesystem::path& path,
                                                       DecisionLogOptions options) {
  LineFileOptions file_options;
  file_options.pending_bytes_max = options.pending_bytes_max;
  file_options.warn = std::move(options.warn);
  file_options.lost = [](std::int64_t lines) {
    return Json{{"event", "lost"}, {"lines", lines}}.dump();
  };
  auto file = SLUICE_TRY(LineFile::open(path, std::move(file_options)));
  auto clock = options.clock ? std::move(options.clock) : std::function<double()>(system_clock_s);
  return std::unique_ptr<DecisionLog>(
      std::make_unique<JsonDecisionLog>(std::move(file), std::move(clock)));
}

std::vector<scheduler::Alternative> best_alternatives(
    std::span<const scheduler::Alternative> alternatives, const scheduler::Decision& decision,
    std::size_t most) {
  const auto is_chosen = [&](const scheduler::Alternative& other) {
    return other.verdict == decision.verdict && other.level == decision.level &&
           other.decode_node == decision.decode_node &&
           (other.verdict == Verdict::kLocal || other.prefill_node == decision.prefill_node);
  };
  const auto is_sooner = [](const scheduler::Alternative& a, const scheduler::Alternative& b) {
    return a.prediction.ttft_s < b.prediction.ttft_s;
  };
  std::map<std::pair<Verdict, std::int32_t>, scheduler::Alternative> soonest;
  for (const scheduler::Alternative& other : alternatives) {
    const bool is_way = other.verdict == Verdict::kPlace || other.verdict == Verdict::kLocal;
    if (!is_way || is_chosen(other)) continue;
    if (!std::isfinite(other.prediction.ttft_s) || other.prediction.ttft_s <= 0.0) continue;
    const auto [entry, is_first] = soonest.try_emplace({other.verdict, other.level}, other);
    if (!is_first && is_sooner(other, entry->second)) entry->second = other;
  }
  std::vector<scheduler::Alternative> best;
  best.reserve(soonest.size());
  for (const auto& [key, other] : soonest) best.push_back(other);
  std::stable_sort(best.begin(), best.end(), is_sooner);
  if (best.size() > most) best.erase(best.begin() + static_cast<std::ptrdiff_t>(most), best.end());
  return best;
}

}  // namespace sluice::runtime
