// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/link_board.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <tuple>

namespace sluice::runtime {
namespace {

// A rate that differs by less is the same one for people: links breathe.
constexpr double kChangeRatio = 1.5;
// Two reports that differ by more are on the way from one rate to another.
constexpr double kHeldRatio = 1.25;

double plain(double value) { return std::isfinite(value) && value > 0.0 ? value : 0.0; }

LinkReport plain(LinkReport report) {
  for (double* value :
       {&report.capacity_bytes_per_s, &report.free_bytes_per_s, &report.goodput_bytes_per_s,
        &report.other_bytes_per_s, &report.utilization}) {
    *value = plain(*value);
  }
  report.utilization = std::min(report.utilization, 1.0);
  report.round_trip_us = std::max<std::int64_t>(report.round_trip_us, 0);
  report.age_us = std::clamp<std::int64_t>(report.age_us, -1, INT64_MAX / 4);
  return report;
}

bool differs(double a, double b, double ratio) { return a > ratio * b || b > ratio * a; }

}  // namespace

std::string rate_text(double bytes_per_s) {
  double value = bytes_per_s * 8 / 1e3;
  std::array<const char*, 4> units{"kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
  std::size_t unit = 0;
  // 999.5 is written as 1000.
  for (; value >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1e3;
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  return text.data();
}

std::string text_of(const LinkChange& change) {
  return "rank " + std::to_string(change.source) + " -> rank " + std::to_string(change.target) +
         ": " + rate_text(change.before_bytes_per_s) + " -> " +
         rate_text(change.after_bytes_per_s) + " free";
}

LinkBoard::LinkBoard(TopologyConfig topology, std::vector<std::string> hosts,
                     LinkBoardOptions options)
    : topology_(std::move(topology)), hosts_(std::move(hosts)), options_(options) {
  for (std::size_t i = 0; i < topology_.uplinks.size(); ++i) {
    for (const bool is_outward : {true, false}) {
      uplinks_.push_back(
          {static_cast<std::uint32_t>(i), topology_.uplinks[i].ranks, is_outward, {}});
    }
  }
  peaks_.resize(uplinks_.size());
}

void LinkBoard::take(comm::NodeId reporter, const LinksMessage& message, std::int64_t now_us) {
  for (const LinkReport& report : message.links) {
    const Key key{reporter, report.peer};
    Link& link = links_[key];
    const std::int64_t since_us = now_us - link.taken_us;
    link.report = plain(report);
    link.taken_us = now_us;
    // An old figure in a new report confirms nothing. Within a host the rate is the processor's,
    // and changes with all that it does.
    const bool is_new = report.age_us >= 0 && report.age_us <= since_us;
    if (is_new && report.has_card != 0) notice(key, link);
  }
  watch_peaks(now_us);
}

void LinkBoard::notice(const Key& key, Link& link) {
  const double rate = link.report.free_bytes_per_s;
  if (rate == 0.0) return;
  if (link.said_bytes_per_s != 0.0 && !differs(rate, link.said_bytes_per_s, kChangeRatio)) {
    link.candidate_bytes_per_s = 0.0;
    return;
  }
  const bool is_same =
      link.candidate_bytes_per_s != 0.0 && !differs(rate, link.candidate_bytes_per_s, kHeldRatio);
  if (!is_same) {
    link.candidate_bytes_per_s = rate;
    link.candidate_us = link.taken_us;
    return;
  }
  if (link.taken_us - link.candidate_us < options_.hold_us) return;
  if (link.said_bytes_per_s != 0.0) {
    changes_.push_back({key.first, key.second, link.said_bytes_per_s, rate});
  }
  link.said_bytes_per_s = rate;
  link.candidate_bytes_per_s = 0.0;
}

void LinkBoard::forget(comm::NodeId node) {
  std::erase_if(links_, [&](const auto& entry) {
    return entry.first.first == node || entry.first.second == node;
  });
}

// Others' traffic out of the nodes of an uplink. Each link's reporter has counted all of its card's
// traffic but this link's, so also its own other links', and those of ranks on the same card: what
// the host's links do not explain is left.
double LinkBoard::foreign_out_of(const scheduler::UplinkState& uplink, std::int64_t now_us) const {
  struct Host {
    double card = 0.0;
    double ours = 0.0;
  };
  std::map<std::pair<std::string_view, comm::NodeId>, Host> seen;
  for (const auto& [key, link] : links_) {
    const comm::NodeId rank = key.first;
    const bool is_inside = std::binary_search(uplink.nodes.begin(), uplink.nodes.end(), rank);
    if (!is_inside || !is_current(link, now_us)) continue;
    const bool has_host = rank < hosts_.size() && !hosts_[rank].empty();
    Host& host = has_host ? seen[{hosts_[rank], 0}] : seen[{std::string_view(), rank}];
    host.ours += link.report.goodput_bytes_per_s;
    host.card =
        std::max(host.card, link.report.goodput_bytes_per_s + link.report.other_bytes_per_s);
  }
  double foreign = 0.0;
  for (const auto& [name, host] : seen) foreign += std::max(host.card - host.ours, 0.0);
  return foreign;
}

scheduler::LinkFigures LinkBoard::traffic_of(const scheduler::UplinkState& uplink,
                                             std::int64_t now_us) const {
  scheduler::LinkFigures figures;
  for (const auto& [key, link] : links_) {
    if (!uplink.carries(key.first, key.second) || !is_current(link, now_us)) continue;
    figures.goodput_bytes_per_s += link.report.goodput_bytes_per_s;
    figures.queued_bytes += link.report.queued_bytes;
  }
  // What comes in for others is counted by no sender.
  if (uplink.is_outward) figures.other_bytes_per_s = foreign_out_of(uplink, now_us);
  return figures;
}

std::int64_t LinkBoard::busy_links_of(const scheduler::UplinkState& uplink,
                                      std::int64_t now_us) const {
  return std::count_if(links_.begin(), links_.end(), [&](const auto& entry) {
    const auto& [key, link] = entry;
    return link.report.queued_bytes != 0 && uplink.carries(key.first, key.second) &&
           is_current(link, now_us);
  });
}

void LinkBoard::watch_peaks(std::int64_t now_us) {
  for (std::size_t i = 0; i < uplinks_.size(); ++i) {
    const scheduler::LinkFigures traffic = traffic_of(uplinks_[i], now_us);
    if (traffic.queued_bytes == 0) continue;
    Peak& peak = peaks_[i];
    if (now_us - peak.since_us > options_.uplink_period_us) {
      const bool is_next = now_us - peak.since_us <= 2 * options_.uplink_period_us;
      peak = {0.0, is_next ? peak.now : 0.0, now_us, peak.seen_us};
    }
    peak.now = std::max(peak.now, traffic.goodput_bytes_per_s + traffic.other_bytes_per_s);
    peak.seen_us = now_us;
  }
}

void LinkBoard::fill(scheduler::Snapshot& snapshot, std::int64_t now_us) const {
  snapshot.links.clear();
  for (const auto& [key, link] : links_) {
    const std::int64_t since_us = now_us - link.taken_us;
    if (since_us > options_.forget_after_us) continue;
    const LinkReport& report = link.report;
    scheduler::LinkState state{key.first, key.second, {}, report.round_trip_us};
    state.figures.capacity_bytes_per_s = report.capacity_bytes_per_s;
    state.figures.free_bytes_per_s = report.free_bytes_per_s;
    state.figures.age_us = report.age_us < 0 ? -1 : report.age_us + since_us;
    if (is_current(link, now_us)) {
      state.figures.goodput_bytes_per_s = report.goodput_bytes_per_s;
      state.figures.other_bytes_per_s = report.other_bytes_per_s;
      state.figures.utilization = report.utilization;
      state.figures.queued_bytes = report.queued_bytes;
    }
    snapshot.links.push_back(state);
  }
  snapshot.uplinks = uplinks_;
  for (std::size_t i = 0; i < uplinks_.size(); ++i) {
    scheduler::LinkFigures figures = traffic_of(uplinks_[i], now_us);
    snapshot.uplinks[i].busy_links = busy_links_of(uplinks_[i], now_us);
    const double declared = topology_.uplinks[uplinks_[i].uplink].rate_bytes_per_s;
    const Peak& peak = peaks_[i];
    figures.capacity_bytes_per_s = declared > 0.0 ? declared : std::max(peak.now, peak.before);
    if (declared > 0.0) {
      figures.age_us = 0;
    } else if (peak.seen_us >= 0) {
      figures.age_us = now_us - peak.seen_us;
    }
    const double used = figures.goodput_bytes_per_s + figures.other_bytes_per_s;
    if (figures.capacity_bytes_per_s > 0.0) {
      figures.free_bytes_per_s = std::max(figures.capacity_bytes_per_s - used, 0.0);
      figures.utilization = std::min(used / figures.capacity_bytes_per_s, 1.0);
    }
    snapshot.uplinks[i].figures = figures;
  }
}

}  // namespace sluice::runtime
