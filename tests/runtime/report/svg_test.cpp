// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/svg.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tests/runtime/report/xml_tree.hpp"

namespace sluice::runtime {
namespace {

TEST(Svg, TextIsEscaped) {
  EXPECT_EQ(svg_escaped("a<b & \"c\" 'd'>"), "a&lt;b &amp; &quot;c&quot; &#39;d&#39;&gt;");
  EXPECT_EQ(svg_escaped("d\xC3\xA9j\xC3\xA0 \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "d\xC3\xA9j\xC3\xA0 \xE2\x82\xAC \xF0\x9F\x98\x80");
}

TEST(Svg, WhatXmlDoesNotKnowIsReplaced) {
  const std::string replaced = "\xEF\xBF\xBD";
  EXPECT_EQ(svg_escaped(std::string_view("a\0b", 3)), "a" + replaced + "b");
  EXPECT_EQ(svg_escaped("\x1B"), replaced);
  EXPECT_EQ(svg_escaped("\xFF"), replaced);
  EXPECT_EQ(svg_escaped("\xC3"), replaced);                                // cut off
  EXPECT_EQ(svg_escaped("\xC0\xAF"), replaced + replaced);                 // too long
  EXPECT_EQ(svg_escaped("\xED\xA0\x80"), replaced + replaced + replaced);  // a surrogate
  EXPECT_EQ(svg_escaped("\xEF\xBF\xBF"), replaced + replaced + replaced);  // U+FFFF
}

TEST(Svg, LooksOfFewSeriesAreAllDifferent) {
  std::set<std::string_view> colours;
  std::set<int> marks;
  for (std::size_t i = 0; i < 7; ++i) {
    colours.insert(svg_look(i).colour);
    marks.insert(svg_look(i).mark);
  }
  EXPECT_EQ(colours.size(), 7U);
  EXPECT_EQ(marks.size(), 7U);
  std::set<std::pair<std::string_view, int>> both;
  for (std::size_t i = 0; i < 56; ++i) both.insert({svg_look(i).colour, svg_look(i).mark});
  EXPECT_EQ(both.size(), 56U);
}

TEST(Svg, TextIsCutBetweenCharacters) {
  EXPECT_EQ(svg_fitted("short", 12, 100), "short");
  const std::string cut = svg_fitted("\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9", 10, 30);
  EXPECT_LE(svg_text_width(cut, 10), 30.0);
  EXPECT_TRUE(cut.ends_with("\xC3\xA9\xE2\x80\xA6")) << cut;
  EXPECT_EQ(svg_fitted("anything", 12, 0), "\xE2\x80\xA6");
}

TEST(Svg, APictureIsWellFormedXml) {
  SvgPicture picture;
  picture.rectangle("box", {1, 2, 3, 4}, "#000000");
  picture.line("edge", {0, 0}, {NAN, 1e300}, {.dashes = "4 3"});
  picture.text({5, 5}, "</text><script>alert(1)</script>", {.is_upward = true});
  picture.mark({10, 20.126}, svg_look(3));
  const auto elements = read_xml(picture.finish(100, 50, "a & b"));
  ASSERT_TRUE(elements.has_value());
  EXPECT_EQ(elements->size(), 7U);  // svg, title, ground, and what was drawn
  EXPECT_EQ(texts(*elements).at(0), "</text><script>alert(1)</script>");
  EXPECT_EQ(of_class(*elements, "mark").at(0).place(), std::pair(10.0, 20.13));
}

}  // namespace
}  // namespace sluice::runtime
