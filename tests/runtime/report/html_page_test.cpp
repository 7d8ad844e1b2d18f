// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/report/study_report.hpp"

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string page_of(const ReportSection& section) { return html_page("A <title>", {&section, 1}); }

TEST(HtmlPage, MarkdownBecomesASectionWithAnIndex) {
  const std::string page =
      page_of({"1-x", "## Is `a` *b*?\n\n| a | b |\n|---|---:|\n| 1 | 2 |\n", {}});
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("<title>A &lt;title&gt;</title>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"#1-x\">Is <code>a</code> <em>b</em>?</a>"));
  EXPECT_THAT(page, HasSubstr("<section id=\"1-x\">"));
  EXPECT_THAT(page, HasSubstr("<div class=\"table\"><table>"));
  EXPECT_THAT(page, HasSubstr("<td align=\"right\">2</td>"));
}

TEST(HtmlPage, PicturesAreWithin) {
  const std::string page = page_of({"x",
                                    "![one](folder/a.svg)\n![two](b.svg)\n![no](c.svg)\n",
                                    {{"a.svg", "<svg/>"}, {"b.svg", "<svg />"}}});
  EXPECT_THAT(page, HasSubstr("<img src=\"data:image/svg+xml;base64,PHN2Zy8+\" alt=\"one\""));
  EXPECT_THAT(page, HasSubstr("<img src=\"data:image/svg+xml;base64,PHN2ZyAvPg==\" alt=\"two\""));
  EXPECT_THAT(page, HasSubstr("<img src=\"c.svg\" alt=\"no\""));
}

TEST(HtmlPage, RawHtmlStaysText) {
  const std::string page =
      page_of({"\"><script>", "## <script>x</script>\n\n<script>y</script>\n", {}});
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;y"));
}

TEST(HtmlPage, ASectionWithoutAHeadingIsIndexedByItsName) {
  EXPECT_THAT(page_of({"about", "words\n", {}}), HasSubstr("<a href=\"#about\">about</a>"));
}

}  // namespace
}  // namespace sluice::runtime
