// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/label_placement.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace sluice::runtime {
namespace {

constexpr double kNear = 8.0;  // pixels from a point's middle to its label
constexpr std::array<double, 6> kDistances = {kNear, 14.0, 22.0, 32.0, 44.0, 58.0};
// From the point, in the order of liking: right, left, above, below, then the corners.
constexpr std::array<SvgPoint, 8> kDirections = {
    {{1, 0}, {-1, 0}, {0, -1}, {0, 1}, {0.7, -0.7}, {0.7, 0.7}, {-0.7, -0.7}, {-0.7, 0.7}}};

double overlap(const SvgBox& a, const SvgBox& b) {
  const double width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  return width > 0.0 && height > 0.0 ? width * height : 0.0;
}

bool is_within(const SvgBox& box, const SvgBox& frame) {
  return box.x >= frame.x && box.y >= frame.y && box.x + box.width <= frame.x + frame.width &&
         box.y + box.height <= frame.y + frame.height;
}

SvgBox box_at(const LabelRequest& label, SvgPoint direction, double distance) {
  const double x = label.at.x + direction.x * distance;
  const double y = label.at.y + direction.y * distance;
  const double left = direction.x > 0.0   ? x
                      : direction.x < 0.0 ? x - label.width
                                          : x - label.width / 2;
  const double top = direction.y > 0.0   ? y
                     : direction.y < 0.0 ? y - label.height
                                         : y - label.height / 2;
  return {left, top, label.width, label.height};
}

}  // namespace

std::vector<PlacedLabel> place_labels(const std::vector<LabelRequest>& labels,
                                      const std::vector<SvgBox>& obstacles, const SvgBox& frame) {
  std::vector<std::size_t> order(labels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return labels[a].at.x < labels[b].at.x; });
  std::vector<PlacedLabel> placed;
  for (const std::size_t index : order) {
    PlacedLabel best;
    double best_cost = std::numeric_limits<double>::infinity();
    for (const double distance : kDistances) {
      for (std::size_t way = 0; way < kDirections.size(); ++way) {
        const SvgBox box = box_at(labels[index], kDirections[way], distance);
        // A hidden square pixel is worse than four pixels of distance; outside, worse than all.
        double cost = distance - kNear + static_cast<double>(way) / 2;
        for (const SvgBox& obstacle : obstacles) cost += 4 * overlap(box, obstacle);
        for (const PlacedLabel& other : placed) cost += 8 * overlap(box, other.box);
        if (!is_within(box, frame)) cost += 1e6;
        if (cost < best_cost) {
          best_cost = cost;
          best = {index, box, distance > kDistances[1]};
        }
      }
    }
    placed.push_back(best);
  }
  return placed;
}

}  // namespace sluice::runtime
