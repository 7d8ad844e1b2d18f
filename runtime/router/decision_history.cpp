// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/decision_history.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <tuple>

#include "runtime/model/json_nesting.hpp"

namespace sluice::runtime {
namespace {

using Json = nlohmann::json;

// What is not there, or of another kind, reads as nothing: a log may be of another version.
double number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}

std::int64_t integer_of(const Json& object, const char* key, std::int64_t otherwise = 0) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>()
                                                             : otherwise;
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json& part_of(const Json& object, const char* key) {
  static const Json kNone = Json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : kNone;
}

std::string alternative_text(const Json& other) {
  std::string text = text_of(other, "level");
  if (text.empty()) text = text_of(other, "verdict");
  const std::int64_t prefill = integer_of(other, "prefill", -1);
  text += " ";
  if (prefill >= 0) text.append(std::to_string(prefill)).append("->");
  return text + std::to_string(integer_of(other, "decode", -1));
}

class Reader {
 public:
  void take(const std::string& line) {
    if (line.empty()) return;
    // The nesting is bounded first: the parser and its values would go as deep as a line says.
    Json object;
    if (!json_is_deeper(line)) object = Json::parse(line, nullptr, false);
    const std::string event = object.is_object() ? text_of(object, "event") : std::string();
    if (event == "start") {
      policy_ = text_of(object, "policy");
      by_request_.clear();  // another process counts anew
    } else if (event == "decision") {
      take_decision(object);
    } else if (event == "first_token" || event == "unanswered") {
      take_outcome(object);
    } else if (event == "lost") {
      history_.lost_lines += std::max<std::int64_t>(integer_of(object, "lines"), 0);
    } else {
      ++history_.odd_lines;
    }
  }
  DecisionHistory finish() { return std::move(history_); }

 private:
  DecisionRow& row_of(const Json& object) {
    const auto request = static_cast<std::uint64_t>(integer_of(object, "request"));
    const auto [entry, is_new] = by_request_.try_emplace(request, history_.rows.size());
    if (is_new) {
      history_.rows.emplace_back();
      history_.rows.back().request = request;
      history_.rows.back().policy = policy_;
    }
    return history_.rows[entry->second];
  }

  void take_decision(const Json& object) {
    DecisionRow& row = row_of(object);
    row.time_s = number_of(object, "time_s");
    row.attempts = integer_of(object, "attempt");
    row.verdict = text_of(object, "verdict");
    row.reason = text_of(object, "reason");
    row.slo_class = text_of(object, "class");
    row.ttft_slo_s = number_of(object, "ttft_slo_s");
    row.prompt_tokens = integer_of(object, "prompt_tokens");
    row.waited_s = number_of(object, "waited_s");
    row.retry_after_s = number_of(object, "retry_after_s");
    row.level = text_of(object, "level");
    row.prefill_node = integer_of(part_of(object, "prefill"), "node", -1);
    row.decode_node = integer_of(part_of(object, "decode"), "node", -1);
    const Json& predicted = part_of(object, "predicted");
    row.kl = number_of(predicted, "kl");
    const double ttft_s = number_of(predicted, "ttft_s");
    row.predicted_s = ttft_s > 0.0 ? row.waited_s + ttft_s : 0.0;
    row.alternative.clear();
    const auto others = object.find("alternatives");
    if (others == object.end() || !others->is_array() || others->empty()) return;
    const Json& best = others->front();  // the soonest is first
    if (!best.is_object()) return;
    row.alternative = alternative_text(best);
    row.alternative_s = row.waited_s + number_of(best, "ttft_s");
  }

  void take_outcome(const Json& object) {
    DecisionRow& row = row_of(object);
    row.attempts = integer_of(object, "attempts");
    row.measured_s = number_of(object, "ttft_s");
    row.ttft_slo_s = number_of(object, "ttft_slo_s");
    row.sent = text_of(object, "levels");
    if (const double told_s = number_of(object, "predicted_s"); told_s > 0.0) {
      row.predicted_s = told_s;
    }
  }

  DecisionHistory history_;
  std::string policy_;
  std::map<std::uint64_t, std::size_t> by_request_;
};

// By nearest rank: one of the values.
double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0.0;
  const double rank = std::max(std::ceil(share * static_cast<double>(values.size())), 1.0);
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank - 1.0);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

struct Gathered {
  DecisionGroup group;
  std::vector<double> ttft_s;
  std::vector<double> errors;

  void add(const DecisionRow& row) {
    ++group.requests;
    if (!(row.measured_s > 0.0)) return;
    ++group.answered;
    ttft_s.push_back(row.measured_s);
    if (row.ttft_slo_s == 0.0 || row.measured_s <= row.ttft_slo_s) ++group.in_time;
    if (row.has_error()) errors.push_back(std::abs(row.error()));
  }
  DecisionGroup finish() {
    group.ttft_median_s = quantile(ttft_s, 0.5);
    group.ttft_p99_s = quantile(ttft_s, 0.99);
    group.predicted = static_cast<std::int64_t>(errors.size());
    group.error_median = quantile(errors, 0.5);
    group.error_p90 = quantile(errors, 0.9);
    return group;
  }
};

}  // namespace

DecisionHistory read_decisions(std::istream& log) {
  Reader reader;
  for (std::string line; std::getline(log, line);) reader.take(line);
  return reader.finish();
}

Result<DecisionHistory> read_decisions(const std::filesystem::path& path) {
  std::error_code ignored;
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path, ignored)) {
    return make_error(ErrorCode::kNotFound, "cannot read the decision log " + path.string());
  }
  return read_decisions(file);
}

std::vector<DecisionGroup> group_decisions(const std::vector<DecisionRow>& rows) {
  std::map<std::string, std::size_t> policies;  // in the order of their appearance
  std::map<std::tuple<std::size_t, std::string, std::string>, Gathered> gathered;
  for (const DecisionRow& row : rows) {
    const std::size_t policy = policies.try_emplace(row.policy, policies.size()).first->second;
    Gathered& one = gathered[{policy, row.verdict, row.level}];
    one.group.policy = row.policy;
    one.group.verdict = row.verdict;
    one.group.level = row.level;
    one.add(row);
  }
  std::vector<std::pair<std::size_t, DecisionGroup>> groups;
  for (auto& [key, one] : gathered) groups.emplace_back(std::get<0>(key), one.finish());
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    return a.second.requests > b.second.requests;
  });
  std::vector<DecisionGroup> sorted;
  sorted.reserve(groups.size());
  for (auto& [policy, group] : groups) sorted.push_back(std::move(group));
  return sorted;
}

DecisionGroup sum_up_decisions(const std::vector<DecisionRow>& rows) {
  Gathered all;
  for (const DecisionRow& row : rows) all.add(row);
  return all.finish();
}

}  // namespace sluice::runtime
