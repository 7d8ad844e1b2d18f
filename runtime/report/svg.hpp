// SPDX-License-Identifier: Apache-2.0
// What charts are drawn with: shapes and text as SVG, colours and marks that tell series apart.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sluice::runtime {

// Pixels, y downwards.
struct SvgPoint {
  double x = 0.0;
  double y = 0.0;
};
struct SvgBox {
  double x = 0.0;  // left
  double y = 0.0;  // top
  double width = 0.0;
  double height = 0.0;
};

struct SvgStroke {
  std::string_view colour = "#000000";
  double width = 1.0;
  std::string_view dashes = "";  // "4 3"; empty: a whole line
};

enum class SvgAnchor { kStart, kMiddle, kEnd };
struct SvgText {
  double size = 12.0;
  SvgAnchor anchor = SvgAnchor::kStart;
  bool is_bold = false;
  bool is_upward = false;  // read from below
  std::string_view colour = "#222222";
};

// Of series number `index`: apart for colour-blind eyes, and in grey by their marks. Both repeat
// from the eighth on, and never together before the 56th.
struct SvgLook {
  std::string_view colour;
  int mark = 0;
};
SvgLook svg_look(std::size_t index);

// Text as XML: what is not valid UTF-8 or has no place in XML becomes U+FFFD.
std::string svg_escaped(std::string_view text);
// About, in a common sans-serif font.
double svg_text_width(std::string_view text, double size);
// Cut with an ellipsis to what fits.
std::string svg_fitted(std::string_view text, double size, double width_max);

// A picture that grows; nothing given is trusted as XML. `kind` is a shape's class, one word.
class SvgPicture {
 public:
  void rectangle(std::string_view kind, const SvgBox& box, std::string_view fill,
                 std::string_view edge = "none");
  void line(std::string_view kind, SvgPoint from, SvgPoint to, const SvgStroke& stroke);
  void polyline(std::string_view kind, std::span<const SvgPoint> points, const SvgStroke& stroke);
  // `at` is on the text's base line.
  void text(SvgPoint at, std::string_view words, const SvgText& style);
  void mark(SvgPoint at, const SvgLook& look);
  // A diamond that is not filled: a figure of somebody else.
  void reference_mark(SvgPoint at);

  // On white; `title` is what a screen reader says.
  std::string finish(double width, double height, std::string_view title) const;

 private:
  std::string body_;
};

}  // namespace sluice::runtime
