// SPDX-License-Identifier: Apache-2.0
#include <md4c-html.h>

#include <cstdint>
#include <map>
#include <string_view>

#include "kernels/core/check.hpp"
#include "runtime/report/study_report.hpp"
#include "runtime/report/svg.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view kStyle = R"(
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff;
  font: 15px/1.5 Helvetica, Arial, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.7rem; } h2 { font-size: 1.35rem; margin-top: 3rem; border-top: 1px solid #ccc;
  padding-top: 1rem; } h3 { font-size: 1.05rem; margin-top: 2rem; }
nav { background: #f4f6f8; padding: .4rem 1.2rem; border-radius: 4px; }
nav ul { padding-left: 1rem; } a { color: #0063a8; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #e2e2e2; text-align: left;
  white-space: nowrap; }
th { background: #f4f6f8; border-bottom: 2px solid #bbb; position: sticky; top: 0; }
td[align=right], th[align=right] { text-align: right; }
tbody tr:hover { background: #f8fafc; }
img { max-width: 100%; height: auto; }
code { background: #f2f2f2; padding: 0 .2em; border-radius: 3px; font-size: 90%; }
pre { background: #f2f2f2; padding: .7rem; overflow-x: auto; }
)";

// Raw HTML in Markdown stays text.
std::string html_of(const std::string& markdown) {
  std::string html;
  const auto append = [](const MD_CHAR* text, MD_SIZE size, void* to) {
    static_cast<std::string*>(to)->append(text, size);
  };
  const int status = md_html(markdown.data(), static_cast<MD_SIZE>(markdown.size()), append, &html,
                             MD_FLAG_TABLES | MD_FLAG_NOHTML, 0);
  SLUICE_CHECK(status == 0, "md4c fails only for lack of memory");
  return html;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      three = three << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kLetters[three >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Puts pictures in the place of links to a file of their name, in whatever folder.
std::string with_pictures(const std::string& html, const ReportSection& section) {
  std::map<std::string, const std::string*, std::less<>> pictures;
  for (const auto& [file, svg] : section.pictures) pictures[file] = &svg;
  constexpr std::string_view kSource = "<img src=\"";
  std::string page;
  std::size_t from = 0;
  for (std::size_t at = html.find(kSource); at != std::string::npos;
       at = html.find(kSource, from)) {
    const std::size_t begin = at + kSource.size();
    const std::size_t end = html.find('"', begin);
    if (end == std::string::npos) break;
    std::string_view file(html.data() + begin, end - begin);
    file.remove_prefix(file.rfind('/') + 1);  // npos + 1 is 0: all of it is the name
    page.append(html, from, begin - from);
    const auto picture = pictures.find(file);
    if (picture == pictures.end()) {
      page.append(html, begin, end - begin);
    } else {
      page += "data:image/svg+xml;base64," + base64(*picture->second);
    }
    from = end;
  }
  return page.append(html, from, std::string::npos);
}

// What stands between the first heading's tags; the section's name where there is none.
std::string heading_of(const std::string& html, const std::string& name) {
  const std::size_t begin = html.find("<h2>");
  const std::size_t end = html.find("</h2>");
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    return svg_escaped(name);
  }
  return html.substr(begin + 4, end - begin - 4);
}

}  // namespace

std::string html_page(const std::string& title, std::span<const ReportSection> sections) {
  std::string index;
  std::string body;
  for (const ReportSection& section : sections) {
    std::string html = html_of(section.markdown);
    const std::string name = svg_escaped(section.name);
    index.append("<li><a href=\"#").append(name).append("\">");
    index.append(heading_of(html, section.name)).append("</a></li>\n");
    replace_all(html, "<table>", "<div class=\"table\"><table>");
    replace_all(html, "</table>", "</table></div>");
    body.append("<section id=\"").append(name).append("\">\n");
    body.append(with_pictures(html, section)).append("</section>\n");
  }
  const std::string escaped = svg_escaped(title);
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page.append("<title>").append(escaped).append("</title>\n<style>").append(kStyle);
  page.append("</style>\n</head>\n<body>\n<h1>").append(escaped).append("</h1>\n");
  page.append("<nav><ul>\n").append(index).append("</ul></nav>\n").append(body);
  return page.append("</body>\n</html>\n");
}

}  // namespace sluice::runtime
