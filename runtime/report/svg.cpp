// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/svg.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace sluice::runtime {
namespace {

// Okabe and Ito (2008), without the yellow, which is weak on white.
constexpr std::array<std::string_view, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#e69f00", "#56b4e9", "#000000"};
// About a radius of 5: circle, square, triangle, diamond, cross, triangle on its tip, plus, star.
constexpr std::array<std::string_view, 8> kMarks = {
    "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "M-4 -4h8v8h-8z",
    "M0 -5.4L5.2 4H-5.2z",
    "M0 -5.6L5.6 0L0 5.6L-5.6 0z",
    "M-4.4 -2.6L-2.6 -4.4L0 -1.8L2.6 -4.4L4.4 -2.6L1.8 0L4.4 2.6L2.6 4.4L0 1.8L-2.6 4.4L-4.4 2.6"
    "L-1.8 0z",
    "M0 5.4L5.2 -4H-5.2z",
    "M-1.4 -5h2.8v3.6h3.6v2.8h-3.6v3.6h-2.8v-3.6h-3.6v-2.8h3.6z",
    "M0 -6L1.5 -1.9L5.7 -1.9L2.4 0.8L3.5 5L0 2.5L-3.5 5L-2.4 0.8L-5.7 -1.9L-1.5 -1.9z"};

std::string number(double value) {
  constexpr double kFar = 1e6;  // no picture is so large
  value = std::isfinite(value) ? std::clamp(value, -kFar, kFar) : 0.0;
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                 std::round(value * 100.0) / 100.0, std::chars_format::fixed, 2);
  std::string text(buffer.data(), end.ptr);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

void add(std::string& to, std::string_view name, std::string_view value) {
  to.append(" ").append(name).append("=\"").append(value).append("\"");
}
void add(std::string& to, std::string_view name, double value) { add(to, name, number(value)); }

void add(std::string& to, const SvgStroke& stroke) {
  add(to, "stroke", stroke.colour);
  add(to, "stroke-width", stroke.width);
  if (!stroke.dashes.empty()) add(to, "stroke-dasharray", stroke.dashes);
}

// Bytes of the character that `text` begins with; 0: it is none that XML 1.0 knows.
std::size_t xml_character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' ? 1 : 0;
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 0;
  if (bytes == 0 || first > 0xF4 || text.size() < bytes) return 0;
  std::uint32_t code = first & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  const bool is_known = code >= kSmallest[bytes] && code <= 0x10FFFF;
  return is_known && !is_surrogate && code != 0xFFFE && code != 0xFFFF ? bytes : 0;
}

}  // namespace

SvgLook svg_look(std::size_t index) {
  return {kColours[index % kColours.size()], static_cast<int>(index % kMarks.size())};
}

std::string svg_escaped(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t bytes = xml_character_bytes(text);
    switch (text[0]) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += bytes == 0 ? "\xEF\xBF\xBD" : std::string(text.substr(0, bytes));
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return escaped;
}

double svg_text_width(std::string_view text, double size) {
  double ems = 0.0;
  for (const char c : text) {
    if ((static_cast<std::uint8_t>(c) & 0xC0U) == 0x80U) continue;  // within a character
    if (std::string_view("iljtfrI.,:;'|!()[] ").find(c) != std::string_view::npos) {
      ems += 0.36;
    } else if (std::string_view("mwMW@%").find(c) != std::string_view::npos) {
      ems += 0.9;
    } else {
      ems += c >= 'A' && c <= 'Z' ? 0.7 : 0.6;
    }
  }
  return ems * size;
}

std::string svg_fitted(std::string_view text, double size, double width_max) {
  if (svg_text_width(text, size) <= width_max) return std::string(text);
  while (!text.empty() && svg_text_width(text, size) + size > width_max) {
    do {
      text.remove_suffix(1);
    } while (!text.empty() && (static_cast<std::uint8_t>(text.back()) & 0xC0U) == 0x80U);
    // The first byte of the character that was cut.
    if (!text.empty() && static_cast<std::uint8_t>(text.back()) >= 0xC0U) text.remove_suffix(1);
  }
  return std::string(text) + "\xE2\x80\xA6";
}

void SvgPicture::rectangle(std::string_view kind, const SvgBox& box, std::string_view fill,
                           std::string_view edge) {
  body_ += "<rect";
  add(body_, "class", kind);
  add(body_, "x", box.x);
  add(body_, "y", box.y);
  add(body_, "width", box.width);
  add(body_, "height", box.height);
  add(body_, "fill", fill);
  if (edge != "none") add(body_, "stroke", edge);
  body_ += "/>\n";
}

void SvgPicture::line(std::string_view kind, SvgPoint from, SvgPoint to, const SvgStroke& stroke) {
  body_ += "<line";
  add(body_, "class", kind);
  add(body_, "x1", from.x);
  add(body_, "y1", from.y);
  add(body_, "x2", to.x);
  add(body_, "y2", to.y);
  add(body_, stroke);
  body_ += "/>\n";
}

void SvgPicture::polyline(std::string_view kind, std::span<const SvgPoint> points,
                          const SvgStroke& stroke) {
  std::string list;
  for (const SvgPoint& point : points) {
    if (!list.empty()) list += ' ';
    list += number(point.x) + ',' + number(point.y);
  }
  body_ += "<polyline";
  add(body_, "class", kind);
  add(body_, "points", list);
  add(body_, "fill", "none");
  add(body_, stroke);
  body_ += "/>\n";
}

void SvgPicture::text(SvgPoint at, std::string_view words, const SvgText& style) {
  body_ += "<text";
  add(body_, "x", at.x);
  add(body_, "y", at.y);
  add(body_, "font-size", style.size);
  add(body_, "fill", style.colour);
  if (style.anchor != SvgAnchor::kStart) {
    add(body_, "text-anchor", style.anchor == SvgAnchor::kMiddle ? "middle" : "end");
  }
  if (style.is_bold) add(body_, "font-weight", "bold");
  if (style.is_upward) {
    add(body_, "transform", "rotate(-90 " + number(at.x) + " " + number(at.y) + ")");
  }
  body_.append(">").append(svg_escaped(words)).append("</text>\n");
}

void SvgPicture::mark(SvgPoint at, const SvgLook& look) {
  body_ += "<path";
  add(body_, "class", "mark");
  add(body_, "d", kMarks[static_cast<std::size_t>(look.mark) % kMarks.size()]);
  add(body_, "transform", "translate(" + number(at.x) + " " + number(at.y) + ")");
  add(body_, "fill", look.colour);
  add(body_, "stroke", "#ffffff");
  add(body_, "stroke-width", 0.8);
  body_ += "/>\n";
}

void SvgPicture::reference_mark(SvgPoint at) {
  body_ += "<path";
  add(body_, "class", "reference");
  add(body_, "d", kMarks[3]);
  add(body_, "transform", "translate(" + number(at.x) + " " + number(at.y) + ")");
  add(body_, "fill", "#ffffff");
  add(body_, SvgStroke{.colour = "#000000", .width = 1.4});
  body_ += "/>\n";
}

std::string SvgPicture::finish(double width, double height, std::string_view title) const {
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"";
  add(svg, "width", width);
  add(svg, "height", height);
  add(svg, "viewBox", "0 0 " + number(width) + " " + number(height));
  add(svg, "font-family", "Helvetica, Arial, 'DejaVu Sans', sans-serif");
  svg.append(">\n<title>").append(svg_escaped(title)).append("</title>\n<rect");
  add(svg, "width", width);
  add(svg, "height", height);
  add(svg, "fill", "#ffffff");
  return svg.append("/>\n").append(body_).append("</svg>\n");
}

}  // namespace sluice::runtime
