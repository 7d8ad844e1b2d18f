// SPDX-License-Identifier: Apache-2.0
// Names of series beside their looks, in rows above a chart.
#pragma once

#include <string>
#include <vector>

#include "runtime/report/svg.hpp"

namespace sluice::runtime {

struct LegendEntry {
  std::string name;
  SvgLook look;
  enum class Kind { kMark, kLine, kBar, kReference } kind = Kind::kMark;
};

// Draws downwards from `left_top`, not beyond `right`; returns where it ends.
double draw_legend(SvgPicture& picture, const std::vector<LegendEntry>& entries, SvgPoint left_top,
                   double right);

}  // namespace sluice::runtime
