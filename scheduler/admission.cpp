// SPDX-License-Identifier: Apache-2.0
#include "scheduler/admission.hpp"

#include <algorithm>
#include <cmath>

namespace sluice::scheduler {
namespace {

constexpr double kLongest_s = 3600.0;
// Of its objective: what may be ahead of a request that is too long for it anyhow.
constexpr double kShareOfTooLong = 0.1;
constexpr double kDemandMemory_s = 60.0;

// How long a request may wait for its prefill to begin.
double patience_s(const SloClass& slo_class, double service_s) {
  return std::max(slo_class.ttft_s - service_s, kShareOfTooLong * slo_class.ttft_s);
}

double retry_after_s(double seconds) {
  return std::isfinite(seconds) ? std::clamp(seconds, 1.0, kLongest_s) : kLongest_s;
}

// Requests of one class compare by this at any time: due - ageing * waited, without what they have
// in common.
double order_of(const SloClass& slo_class, double due_s, double arrived_s) {
  return due_s + slo_class.ageing * arrived_s;
}

}  // namespace

AdmissionQueue::AdmissionQueue(std::vector<SloClass> classes, std::int64_t requests_max)
    : classes_(std::move(classes)), requests_max_(requests_max) {
  if (classes_.empty()) classes_.emplace_back();
  lines_.resize(classes_.size());
}

std::size_t AdmissionQueue::class_of(const QueuedRequest& request) const {
  const auto index = static_cast<std::size_t>(request.slo_class);
  return request.slo_class >= 0 && index < classes_.size() ? index : 0;
}

double AdmissionQueue::aged_due_s(std::size_t slo_class, double order, double now_s) const {
  return order - classes_[slo_class].ageing * now_s;
}

// Each class keeps an equal part of one half of the places: what others have not yet filled of
// theirs is not to be had.
bool AdmissionQueue::has_place(std::size_t slo_class) const {
  const auto parts = static_cast<std::int64_t>(2 * classes_.size());
  const std::int64_t kept = classes_.size() > 1 ? requests_max_ / parts : 0;
  auto taken = static_cast<std::int64_t>(queue_.size());
  for (std::size_t other = 0; other < lines_.size(); ++other) {
    if (other == slo_class) continue;
    const auto waiting = static_cast<std::int64_t>(lines_[other].requests.size());
    taken += std::max<std::int64_t>(0, kept - waiting);
  }
  return taken < requests_max_;
}

// Where a line has its first before and its last behind that moment, its tokens count as spread
// evenly over the time between.
std::int64_t AdmissionQueue::tokens_before(double due_s, double now_s) const {
  double tokens = 0.0;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (line.requests.empty()) continue;
    const double first = aged_due_s(i, line.requests.begin()->first.first, now_s);
    const double last = aged_due_s(i, line.requests.rbegin()->first.first, now_s);
    double share = first <= due_s ? 1.0 : 0.0;
    if (first <= due_s && last > due_s) share = (due_s - first) / (last - first);
    tokens += share * static_cast<double>(line.tokens);
  }
  return static_cast<std::int64_t>(tokens);
}

// Max-min fairness: whoever asks for less than an equal part of what is left gets that, and the
// others divide the rest; this class is taken to ask for all.
double AdmissionQueue::share_of(std::size_t slo_class) const {
  std::vector<double> demands;
  for (std::size_t other = 0; other < lines_.size(); ++other) {
    if (other != slo_class) demands.push_back(lines_[other].demand);
  }
  std::sort(demands.begin(), demands.end());
  double left = 1.0;
  auto parts = static_cast<double>(lines_.size());
  for (const double demand : demands) {
    if (demand > left / parts) break;
    left -= demand;
    parts -= 1.0;
  }
  return left / parts;
}

void AdmissionQueue::let_pass(double now_s) {
  const double passed_s = now_s - updated_s_;
  if (passed_s <= 0.0) return;
  updated_s_ = now_s;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    lines_[i].ahead_s = std::max(0.0, lines_[i].ahead_s - share_of(i) * passed_s);
  }
  // After the shares, which are those of the time that has passed.
  const double kept = std::exp(-passed_s / kDemandMemory_s);
  for (Line& line : lines_) line.demand *= kept;
}

std::optional<AdmissionQueue::Refusal> AdmissionQueue::offer(const QueuedRequest& request,
                                                             const AdmissionOutlook& outlook,
                                                             double now_s) {
  remove(request.id);
  let_pass(now_s);
  const std::size_t slo_class = class_of(request);
  const SloClass& of = classes_[slo_class];
  Line& line = lines_[slo_class];
  const std::int64_t tokens = std::max<std::int64_t>(0, request.prompt_tokens);
  const double work_s = outlook.queue_s_per_token * static_cast<double>(tokens);
  line.demand += work_s / kDemandMemory_s;

  // For the sake of the order no objective is longer than an hour.
  const double share_s = std::min(line.ahead_s / share_of(slo_class), kLongest_s);
  const double objective_s = std::min(of.ttft_s, kLongest_s);
  const double due_s =
      request.arrived_s + (of.may_reject ? objective_s : std::max(objective_s, share_s));
  const double order = order_of(of, due_s, request.arrived_s);
  const double ahead_s = outlook.backlog_s + outlook.queue_s_per_token *
                                                 static_cast<double>(tokens_before(
                                                     aged_due_s(slo_class, order, now_s), now_s));
  // What lies idle is had by whoever comes, beyond his share too.
  const double wait_s = ahead_s > 0.0 ? std::max(ahead_s, share_s) : 0.0;
  // Seconds too many. A retry arrives anew: what this one has waited is not held against that.
  const double patience = patience_s(of, outlook.service_s);
  if (!has_place(slo_class)) {
    const double all_s =
        outlook.backlog_s + outlook.queue_s_per_token * static_cast<double>(prompt_tokens());
    const double one_leaves_s = all_s / std::max(1.0, static_cast<double>(queue_.size()));
    return Refusal{retry_after_s(std::max(wait_s - patience, one_leaves_s)), "the queue is full"};
  }
  const double waited_s = std::max(0.0, now_s - request.arrived_s);
  if (of.may_reject && waited_s + wait_s > patience) {
    return Refusal{retry_after_s(wait_s - patience),
                   "its objective cannot be met behind what waits"};
  }
  line.ahead_s += work_s;
  line.requests.emplace(std::pair(order, request.id), Waiting{request.arrived_s, tokens});
  line.tokens += tokens;
  line.tokens_max = std::max(line.tokens_max, tokens);
  queue_.emplace(request.id, Place{slo_class, order});
  return std::nullopt;
}

std::optional<std::uint64_t> AdmissionQueue::front(double now_s) const {
  std::optional<std::pair<double, std::uint64_t>> first;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].requests.empty()) continue;
    const auto& [order, id] = lines_[i].requests.begin()->first;
    const std::pair candidate(aged_due_s(i, order, now_s), id);
    if (!first || candidate < *first) first = candidate;
  }
  if (!first) return std::nullopt;
  return first->second;
}

void AdmissionQueue::remove(std::uint64_t id) {
  const auto found = queue_.find(id);
  if (found == queue_.end()) return;
  Line& line = lines_[found->second.slo_class];
  const auto in_line = line.requests.find(std::pair(found->second.order, id));
  line.tokens -= in_line->second.tokens;
  line.requests.erase(in_line);
  if (line.requests.empty()) line.tokens_max = 0;
  queue_.erase(found);
}

std::vector<std::uint64_t> AdmissionQueue::take_hopeless(double service_s_per_token, double now_s) {
  std::vector<std::uint64_t> hopeless;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (!classes_[i].may_reject) continue;
    const auto is_late = [&](double arrived_s, std::int64_t tokens) {
      const double service_s = service_s_per_token * static_cast<double>(tokens);
      return now_s - arrived_s > patience_s(classes_[i], service_s);
    };
    // By arrival, in a class that may be refused.
    for (const auto& [place, waiting] : lines_[i].requests) {
      // Those behind have waited less: when even the longest prompt would be in time, they are.
      if (!is_late(waiting.arrived_s, lines_[i].tokens_max)) break;
      if (is_late(waiting.arrived_s, waiting.tokens)) hopeless.push_back(place.second);
    }
  }
  for (const std::uint64_t id : hopeless) remove(id);
  return hopeless;
}

std::int64_t AdmissionQueue::prompt_tokens() const {
  std::int64_t tokens = 0;
  for (const Line& line : lines_) tokens += line.tokens;
  return tokens;
}

}  // namespace sluice::scheduler
