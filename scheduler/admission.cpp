// SPDX-License-Identifier: Apache-2.0
#include "scheduler/admission.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::scheduler {
namespace {

constexpr double kLongest_s = 3600.0;
// Of its objective: what may be ahead of a request that is too long for it anyhow.
constexpr double kShareOfTooLong = 0.1;

// How long a request may wait for its prefill to begin.
double patience_s(const SloClass& slo_class, double service_s) {
  return std::max(slo_class.ttft_s - service_s, kShareOfTooLong * slo_class.ttft_s);
}

double retry_after_s(double seconds) {
  return std::isfinite(seconds) ? std::clamp(seconds, 1.0, kLongest_s) : kLongest_s;
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

double AdmissionQueue::deadline_s(std::size_t slo_class, double arrived_s, double now_s) const {
  const SloClass& of = classes_[slo_class];
  return arrived_s + std::min(of.ttft_s, kLongest_s) - of.ageing * (now_s - arrived_s);
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

// Where a line has its first before and its last behind that deadline, its tokens count as spread
// evenly over the time between.
std::int64_t AdmissionQueue::tokens_before(double deadline, double now_s) const {
  double tokens = 0.0;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (line.requests.empty()) continue;
    const double first = deadline_s(i, line.requests.begin()->first.first, now_s);
    const double last = deadline_s(i, line.requests.rbegin()->first.first, now_s);
    double share = first <= deadline ? 1.0 : 0.0;
    if (first <= deadline && last > deadline) share = (deadline - first) / (last - first);
    tokens += share * static_cast<double>(line.tokens);
  }
  return static_cast<std::int64_t>(tokens);
}

std::optional<AdmissionQueue::Refusal> AdmissionQueue::offer(const QueuedRequest& request,
                                                             const AdmissionOutlook& outlook,
                                                             double now_s) {
  remove(request.id);
  const std::size_t slo_class = class_of(request);
  const double deadline = deadline_s(slo_class, request.arrived_s, now_s);
  const double waiting_s =
      outlook.queue_s_per_token * static_cast<double>(tokens_before(deadline, now_s));
  const double waited_s = std::max(0.0, now_s - request.arrived_s);
  // Seconds by which what is ahead is too much. A retry arrives anew: what this one has waited
  // already is not held against it.
  const double ahead_s = outlook.backlog_s + waiting_s;
  const double patience = patience_s(classes_[slo_class], outlook.service_s);
  const double excess_s = ahead_s - patience;
  if (!has_place(slo_class)) {
    const double all_s =
        outlook.backlog_s + outlook.queue_s_per_token * static_cast<double>(prompt_tokens());
    const double one_leaves_s = all_s / std::max(1.0, static_cast<double>(queue_.size()));
    return Refusal{retry_after_s(std::max(excess_s, one_leaves_s)), "the queue is full"};
  }
  if (classes_[slo_class].may_reject && waited_s + ahead_s > patience) {
    return Refusal{retry_after_s(excess_s), "its objective cannot be met behind what waits"};
  }
  Line& line = lines_[slo_class];
  const std::int64_t tokens = std::max<std::int64_t>(0, request.prompt_tokens);
  line.requests.emplace(std::pair(request.arrived_s, request.id), tokens);
  line.tokens += tokens;
  line.tokens_max = std::max(line.tokens_max, tokens);
  queue_.emplace(request.id, request);
  return std::nullopt;
}

std::optional<std::uint64_t> AdmissionQueue::front(double now_s) const {
  std::optional<std::pair<double, std::uint64_t>> first;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].requests.empty()) continue;
    const auto& [arrived_s, id] = lines_[i].requests.begin()->first;
    const std::pair candidate(deadline_s(i, arrived_s, now_s), id);
    if (!first || candidate < *first) first = candidate;
  }
  if (!first) return std::nullopt;
  return first->second;
}

void AdmissionQueue::remove(std::uint64_t id) {
  const auto found = queue_.find(id);
  if (found == queue_.end()) return;
  Line& line = lines_[class_of(found->second)];
  const auto in_line = line.requests.find(std::pair(found->second.arrived_s, id));
  line.tokens -= in_line->second;
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
    for (const auto& [place, tokens] : lines_[i].requests) {
      // Those behind have waited less: when even the longest prompt would be in time, they are.
      if (!is_late(place.first, lines_[i].tokens_max)) break;
      if (is_late(place.first, tokens)) hopeless.push_back(place.second);
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
