// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <string_view>

namespace sluice::runtime {
namespace {

// So that a metric's rows stay few, whatever is asked for.
constexpr std::size_t kRowsMax = 1024;
constexpr const char* kOther = "other";

const char* outcome_of(int http_status) {
  if (http_status == 200) return "ok";
  if (http_status == 429) return "refused";
  if (http_status == 499) return "cancelled";
  return http_status >= 400 && http_status < 500 ? "invalid" : "failed";
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string escaped(std::string_view value) {
  std::string text;
  for (const char letter : value) {
    if (letter == '\\' || letter == '"') text += '\\';
    if (letter == '\n') {
      text += "\\n";
    } else {
      text += letter;
    }
  }
  return text;
}

// One metric after the other: its two lines of help, then a row for each set of labels.
class Exposition {
 public:
  struct Label {
    const char* name;
    std::string_view value;
  };

  void begin(const char* name, const char* type, const char* help) {
    name_ = name;
    text_ += std::string("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    text_ += std::string(name).append(" ").append(type).append("\n");
  }
  void row(double value, std::initializer_list<Label> labels, const char* suffix = "") {
    text_.append(name_).append(suffix);
    const char* before = "{";
    for (const Label& label : labels) {
      text_.append(before).append(label.name).append("=\"").append(escaped(label.value));
      before = "\",";
    }
    if (labels.size() != 0) text_.append("\"}");
    text_.append(" ").append(number_text(value)).append("\n");
  }
  std::string take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

double as_number(std::int64_t value) { return static_cast<double>(value); }

template <class Map, class Key>
auto& entry(Map& map, Key key, Key other) {
  const bool fits = map.size() < kRowsMax || map.find(key) != map.end();
  return map[fits ? std::move(key) : std::move(other)];
}

}  // namespace

void Metrics::decided(const DecisionReport& report) {
  using scheduler::Verdict;
  const Verdict verdict = report.decision.verdict;
  const std::lock_guard lock(mutex_);
  queued_ = report.queued;
  std::string level;
  if (verdict == Verdict::kPlace || verdict == Verdict::kLocal) {
    level = report.pipeline;
    if (level.empty() && verdict == Verdict::kPlace) level = "cluster";
  }
  const std::string name(scheduler::verdict_name(verdict));
  ++entry(decisions_, Pair(name, level), Pair(name, kOther));
  if (verdict == Verdict::kReject) {
    const std::string slo_class(report.slo_class);
    ++entry(refusals_, Pair(slo_class, std::string(report.decision.reason)),
            Pair(slo_class, kOther));
  }
  take(report.snapshot);
}

// A request that was refused before it had a snapshot brings none.
void Metrics::take(const scheduler::Snapshot& snapshot) {
  if (snapshot.prefill.empty() && snapshot.decode.empty()) return;
  links_.clear();
  for (const scheduler::LinkState& link : snapshot.links) {
    links_.push_back({link.prefill_node, link.decode_node, link.figures.free_bytes_per_s});
  }
  workers_.clear();
  for (const auto* states : {&snapshot.prefill, &snapshot.decode}) {
    for (const scheduler::WorkerState& state : *states) {
      workers_.push_back({state.node, states == &snapshot.decode, state.alive, state.requests,
                          state.queued_tokens, state.free_tokens});
    }
  }
}

void Metrics::ended(const OutcomeReport& report) {
  const std::lock_guard lock(mutex_);
  if (!(report.measured_s > 0.0)) {
    ++unanswered_;
    return;
  }
  const std::string slo_class(report.slo_class);
  Histogram& histogram = ttft_[slo_class];
  const auto bound = std::lower_bound(kTtftBounds.begin(), kTtftBounds.end(), report.measured_s);
  ++histogram.counts[static_cast<std::size_t>(bound - kTtftBounds.begin())];
  histogram.sum += report.measured_s;
  in_time_[slo_class] += report.measured_s <= report.slo_s ? 1 : 0;
  const bool is_local = report.decision.verdict == scheduler::Verdict::kLocal;
  board_.add({is_local ? "local" : std::string_view(report.timeline.pipeline),
              report.decision.prediction.ttft_s, report.predicted_s, report.measured_s,
              report.before_s});
}

void Metrics::answered(int http_status) {
  const std::lock_guard lock(mutex_);
  ++answers_[outcome_of(http_status)];
}

double Metrics::correction() const {
  const std::lock_guard lock(mutex_);
  return board_.correction();
}

namespace {

void write_ttft(Exposition& page, std::string_view slo_class,
                const std::array<std::int64_t, kTtftBounds.size() + 1>& counts, double sum) {
  std::int64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    so_far += counts[i];
    const std::string bound = i < kTtftBounds.size() ? number_text(kTtftBounds[i]) : "+Inf";
    page.row(as_number(so_far), {{"slo_class", slo_class}, {"le", bound}}, "_bucket");
  }
  page.row(sum, {{"slo_class", slo_class}}, "_sum");
  page.row(as_number(so_far), {{"slo_class", slo_class}}, "_count");
}

void write_predictions(Exposition& page, const PredictionBoard& board) {
  page.begin("sluice_prediction_error_ratio", "gauge",
             "Error of the predicted time to first token by the measured one, of the last 512 "
             "requests; level all is all of them.");
  const auto rows = [&page](std::string_view level, const PredictionAccuracy& accuracy) {
    page.row(accuracy.error_median, {{"level", level}, {"quantile", "0.5"}});
    page.row(accuracy.error_p90, {{"level", level}, {"quantile", "0.9"}});
  };
  if (const PredictionAccuracy all = board.accuracy(); all.count > 0) rows("all", all);
  for (const auto& [level, accuracy] : board.accuracy_by_level()) {
    rows(level.empty() ? "none" : std::string_view(level), accuracy);
  }
  page.begin("sluice_prediction_correction_ratio", "gauge",
             "By what modelled times to first token are multiplied.");
  page.row(board.correction(), {});
}

}  // namespace

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  Exposition page;
  page.begin("sluice_requests_total", "counter", "Requests for answers, by how they ended.");
  for (const auto& [outcome, count] : answers_) page.row(as_number(count), {{"outcome", outcome}});
  page.begin("sluice_decisions_total", "counter", "Decisions of the scheduler.");
  for (const auto& [key, count] : decisions_) {
    page.row(as_number(count), {{"verdict", key.first}, {"level", key.second}});
  }
  page.begin("sluice_refusals_total", "counter", "Requests refused with status 429.");
  for (const auto& [key, count] : refusals_) {
    page.row(as_number(count), {{"slo_class", key.first}, {"reason", key.second}});
  }
  page.begin("sluice_unanswered_total", "counter",
             "Requests that were placed and ended without a token.");
  page.row(as_number(unanswered_), {});
  page.begin("sluice_ttft_seconds", "histogram", "Time from submission to first token.");
  for (const auto& [name, ttft] : ttft_) write_ttft(page, name, ttft.counts, ttft.sum);
  page.begin("sluice_ttft_in_time_total", "counter",
             "First tokens within the objective of the class.");
  for (const auto& [name, count] : in_time_) page.row(as_number(count), {{"slo_class", name}});
  page.begin("sluice_queue_requests", "gauge",
             "Requests that waited for a worker at the last decision.");
  page.row(as_number(queued_), {});
  write_predictions(page, board_);
  page.begin("sluice_link_free_bytes_per_second", "gauge",
             "What one more transfer from a prefill to a decode worker can expect.");
  for (const Link& link : links_) {
    page.row(link.free_bytes_per_s, {{"prefill", std::to_string(link.prefill_node)},
                                     {"decode", std::to_string(link.decode_node)}});
  }
  const auto of_workers = [&](const char* name, const char* help, auto value) {
    page.begin(name, "gauge", help);
    for (const Worker& worker : workers_) {
      const double number = value(worker);
      if (number < 0.0) continue;
      page.row(number, {{"rank", std::to_string(worker.node)},
                        {"role", worker.is_decode ? "decode" : "prefill"}});
    }
  };
  of_workers("sluice_worker_usable", "Whether a worker gets new requests.",
             [](const Worker& worker) { return worker.is_alive ? 1.0 : 0.0; });
  of_workers("sluice_worker_requests", "Requests at a worker.",
             [](const Worker& worker) { return as_number(worker.requests); });
  of_workers("sluice_worker_queued_tokens", "Tokens still to prefill, or to decode.",
             [](const Worker& worker) { return as_number(worker.queued_tokens); });
  of_workers("sluice_worker_kv_free_tokens", "Room for KV, where the worker tells it.",
             [](const Worker& worker) { return as_number(worker.free_tokens); });
  return page.take();
}

}  // namespace sluice::runtime
