// SPDX-License-Identifier: Apache-2.0
#include "scheduler/link_outlook.hpp"

#include <algorithm>
#include <array>

#include "kernels/core/check.hpp"

namespace sluice::scheduler {
namespace {

// What nobody uses, and at least an equal share with the links that have something to send on it
// (one at least, or more would be free).
double rate_of(const UplinkState& uplink) {
  const LinkFigures& figures = uplink.figures;
  const auto busy = static_cast<double>(std::max<std::int64_t>(uplink.busy_links, 1));
  return std::max(figures.free_bytes_per_s, figures.capacity_bytes_per_s / (1.0 + busy));
}

void narrow(LinkOutlook& outlook, double rate) {
  if (outlook.bytes_per_s <= 0.0 || rate < outlook.bytes_per_s) outlook.bytes_per_s = rate;
}

LinkOutlook outlook_of(const LinkState* link, double assumed_bytes_per_s) {
  LinkOutlook outlook;
  if (link != nullptr) {
    outlook.bytes_per_s = link->figures.free_bytes_per_s;
    outlook.queued_bytes = std::max(link->figures.queued_bytes, link->planned_bytes);
    outlook.round_trip_s = 1e-6 * static_cast<double>(link->round_trip_us);
  }
  if (outlook.bytes_per_s <= 0.0) outlook.bytes_per_s = assumed_bytes_per_s;
  return outlook;
}

using Links = std::span<const LinkState>;

Links links_from(Links links, std::uint32_t prefill_node) {
  const auto first = std::lower_bound(
      links.begin(), links.end(), prefill_node,
      [](const LinkState& link, std::uint32_t node) { return link.prefill_node < node; });
  auto last = first;
  // The next worker's links are near: a step, two, four ... then back by halves.
  for (std::ptrdiff_t step = 1; last != links.end() && last->prefill_node == prefill_node;
       step *= 2) {
    last += std::min(step, links.end() - last);
  }
  last = std::lower_bound(first, last, prefill_node, [](const LinkState& link, std::uint32_t node) {
    return link.prefill_node <= node;
  });
  return {first, last};
}

// `from`: of one prefill worker. `hint`: the place where the worker before had its link to this
// decode worker; it is most often the same.
const LinkState* find_link(Links from, std::uint32_t decode_node, std::size_t& hint) {
  if (hint < from.size() && from[hint].decode_node == decode_node) return &from[hint];
  const auto found = std::lower_bound(
      from.begin(), from.end(), decode_node,
      [](const LinkState& link, std::uint32_t node) { return link.decode_node < node; });
  if (found == from.end() || found->decode_node != decode_node) return nullptr;
  hint = static_cast<std::size_t>(found - from.begin());
  return &*found;
}

// A bit for each of the nodes that is behind the uplink.
std::uint32_t nodes_behind(const UplinkState& uplink, std::span<const std::uint32_t> nodes) {
  const std::uint32_t first = uplink.nodes.front();
  const std::uint32_t last = uplink.nodes.back();
  const bool has_gaps = last - first + 1 != uplink.nodes.size();
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] < first || nodes[i] > last) continue;
    if (has_gaps && !std::binary_search(uplink.nodes.begin(), uplink.nodes.end(), nodes[i])) {
      continue;
    }
    bits |= 1U << i;
  }
  return bits;
}

}  // namespace

LinkOutlook link_outlook(const Snapshot& snapshot, std::uint32_t prefill_node,
                         std::uint32_t decode_node) {
  LinkOutlook outlook;
  link_outlooks(snapshot, {&prefill_node, 1}, {&decode_node, 1}, {&outlook, 1});
  return outlook;
}

void link_outlooks(const Snapshot& snapshot, std::span<const std::uint32_t> prefill,
                   std::span<const std::uint32_t> decode, std::span<LinkOutlook> outlooks) {
  SLUICE_CHECK(prefill.size() <= kOutlookNodesMax && decode.size() <= kOutlookNodesMax &&
                   outlooks.size() == prefill.size() * decode.size(),
               "an outlook for each of a few pairs");
  std::array<std::size_t, kOutlookNodesMax> hints{};
  for (std::size_t i = 0; i < prefill.size(); ++i) {
    const Links from = links_from(snapshot.links, prefill[i]);
    for (std::size_t j = 0; j < decode.size(); ++j) {
      outlooks[i * decode.size() + j] =
          outlook_of(find_link(from, decode[j], hints[j]), snapshot.assumed_bytes_per_s);
    }
  }
  for (const UplinkState& uplink : snapshot.uplinks) {
    if (uplink.figures.capacity_bytes_per_s <= 0.0 || uplink.nodes.empty()) continue;
    const std::uint32_t sources = nodes_behind(uplink, prefill);
    const std::uint32_t targets = nodes_behind(uplink, decode);
    if ((uplink.is_outward ? sources : targets) == 0) continue;
    const double rate = rate_of(uplink);
    // Of each source, the targets on the other side.
    for (std::size_t i = 0; i < prefill.size(); ++i) {
      const bool is_source_behind = ((sources >> i) & 1U) != 0;
      if (is_source_behind != uplink.is_outward) continue;
      for (std::size_t j = 0; j < decode.size(); ++j) {
        const bool is_target_behind = ((targets >> j) & 1U) != 0;
        if (is_target_behind == uplink.is_outward) continue;
        narrow(outlooks[i * decode.size() + j], rate);
      }
    }
  }
}

}  // namespace sluice::scheduler
