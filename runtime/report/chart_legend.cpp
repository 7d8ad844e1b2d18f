// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/chart_legend.hpp"

#include <algorithm>

namespace sluice::runtime {
namespace {

constexpr double kRow = 19.0;
constexpr double kSize = 12.0;
constexpr double kSign = 24.0;  // room for the look
constexpr double kGap = 16.0;   // between entries

void draw_sign(SvgPicture& picture, const LegendEntry& entry, SvgPoint middle) {
  switch (entry.kind) {
    case LegendEntry::Kind::kReference:
      return picture.reference_mark(middle);
    case LegendEntry::Kind::kBar:
      return picture.rectangle("sign", {middle.x - 7, middle.y - 5, 14, 10}, entry.look.colour);
    case LegendEntry::Kind::kLine:
      picture.line("sign", {middle.x - 10, middle.y}, {middle.x + 10, middle.y},
                   {.colour = entry.look.colour, .width = 1.6});
      [[fallthrough]];
    case LegendEntry::Kind::kMark:
      picture.mark(middle, entry.look);
  }
}

}  // namespace

double draw_legend(SvgPicture& picture, const std::vector<LegendEntry>& entries, SvgPoint left_top,
                   double right) {
  if (entries.empty()) return left_top.y;
  double x = left_top.x;
  double y = left_top.y + kRow / 2;
  for (const LegendEntry& entry : entries) {
    const std::string name = svg_fitted(entry.name, kSize, right - left_top.x - kSign);
    const double width = kSign + svg_text_width(name, kSize);
    if (x > left_top.x && x + width > right) {
      x = left_top.x;
      y += kRow;
    }
    draw_sign(picture, entry, {x + kSign / 2 - 2, y});
    picture.text({x + kSign, y + 4}, name, {.size = kSize});
    x += width + kGap;
  }
  return y + kRow / 2;
}

}  // namespace sluice::runtime
