// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "runtime/report/chart.hpp"
#include "runtime/report/svg.hpp"

namespace sluice::runtime {
namespace {

constexpr double kWidth = 400.0;  // two fit beside each other on a page
constexpr double kRight = 12.0;
constexpr double kTop = 34.0;
constexpr double kBottom = 46.0;
constexpr double kCellHeight = 28.0;

struct Rgb {
  double red, green, blue;
};
// From light to dark, its lightness falling evenly: read in grey and by colour-blind eyes.
constexpr std::array<Rgb, 5> kScale = {
    {{247, 251, 255}, {198, 219, 239}, {107, 174, 214}, {33, 113, 181}, {8, 48, 107}}};
constexpr double kWhiteTextFrom = 0.6;  // of the scale: the third colour is the last light one

std::string colour_at(double share) {
  const double place = std::clamp(share, 0.0, 1.0) * (kScale.size() - 1);
  const std::size_t before = std::min(static_cast<std::size_t>(place), kScale.size() - 2);
  const double part = place - static_cast<double>(before);
  const Rgb& from = kScale[before];
  const Rgb& to = kScale[before + 1];
  std::string colour = "#";
  for (const double value :
       {from.red + part * (to.red - from.red), from.green + part * (to.green - from.green),
        from.blue + part * (to.blue - from.blue)}) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto byte = static_cast<std::uint32_t>(std::lround(value));
    colour += kDigits[byte >> 4];
    colour += kDigits[byte & 15];
  }
  return colour;
}

// Three characters or so: cells are small.
std::string cell_text(double value) {
  const double size = std::abs(value);
  const bool is_plain = value == 0.0 || (size >= 0.005 && size < 1e4);
  const int decimals = size >= 9.95 ? 0 : size >= 1.005 ? 1 : 2;
  std::array<char, 32> buffer;
  char* const end = buffer.data() + buffer.size();
  const auto written =
      is_plain ? std::to_chars(buffer.data(), end, value, std::chars_format::fixed, decimals)
               : std::to_chars(buffer.data(), end, value, std::chars_format::general, 1);
  return {buffer.data(), written.ptr};
}

void draw_cell(SvgPicture& picture, const SvgBox& box, double value, const HeatMap& map) {
  const bool has_value = std::isfinite(value);
  const double span = map.high - map.low;
  const double share = has_value && span > 0.0 ? (value - map.low) / span : 0.0;
  picture.rectangle("cell", box, has_value ? colour_at(share) : "#eeeeee", "#ffffff");
  picture.text({box.x + box.width / 2, box.y + box.height / 2 + 4},
               has_value ? cell_text(value) : "\xE2\x80\x93",
               {.size = 11,
                .anchor = SvgAnchor::kMiddle,
                .colour = has_value && share >= kWhiteTextFrom ? "#ffffff" : "#222222"});
}

}  // namespace

std::string heat_map_svg(const HeatMap& map) {
  SvgPicture picture;
  picture.text({10, 20}, svg_fitted(map.title, 13, kWidth - 20), {.size = 13, .is_bold = true});
  double left = 0.0;
  for (const std::string& row : map.rows) left = std::max(left, svg_text_width(row, 11));
  left = std::min(left, kWidth / 3) + 36;
  const double width =
      (kWidth - left - kRight) / std::max<double>(1.0, static_cast<double>(map.columns.size()));
  const double height = kCellHeight * static_cast<double>(map.rows.size());
  for (std::size_t row = 0; row < map.rows.size(); ++row) {
    const double y = kTop + kCellHeight * static_cast<double>(row);
    picture.text({left - 6, y + kCellHeight / 2 + 4}, svg_fitted(map.rows[row], 11, left - 36),
                 {.size = 11, .anchor = SvgAnchor::kEnd});
    for (std::size_t column = 0; column < map.columns.size(); ++column) {
      const std::size_t index = row * map.columns.size() + column;
      const double value = index < map.values.size() ? map.values[index] : NAN;
      draw_cell(picture, {left + width * static_cast<double>(column), y, width, kCellHeight}, value,
                map);
    }
  }
  for (std::size_t column = 0; column < map.columns.size(); ++column) {
    picture.text({left + width * (static_cast<double>(column) + 0.5), kTop + height + 15},
                 svg_fitted(map.columns[column], 11, width),
                 {.size = 11, .anchor = SvgAnchor::kMiddle});
  }
  picture.text({left + (kWidth - left - kRight) / 2, kTop + height + 35}, map.x_title,
               {.size = 12, .anchor = SvgAnchor::kMiddle});
  picture.text({17, kTop + height / 2}, map.y_title,
               {.size = 12, .anchor = SvgAnchor::kMiddle, .is_upward = true});
  return picture.finish(kWidth, kTop + height + kBottom, map.title);
}

}  // namespace sluice::runtime
