// SPDX-License-Identifier: Apache-2.0
// Where the names of points go so that they cover neither each other nor the points.
#pragma once

#include <string>
#include <vector>

#include "runtime/report/svg.hpp"

namespace sluice::runtime {

struct PlacedLabel {
  std::size_t index = 0;  // of the label that was asked for
  SvgBox box;
  bool is_far = false;  // far enough from its point to want a line to it
};

struct LabelRequest {
  SvgPoint at;
  double width = 0.0;
  double height = 0.0;
};

// Greedy, from the left: each label takes the place of least overlap with `obstacles` and with the
// labels placed before it, near its point if it can, and within `frame` if it fits there.
std::vector<PlacedLabel> place_labels(const std::vector<LabelRequest>& labels,
                                      const std::vector<SvgBox>& obstacles, const SvgBox& frame);

}  // namespace sluice::runtime
