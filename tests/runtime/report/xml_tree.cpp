// SPDX-License-Identifier: Apache-2.0
#include "tests/runtime/report/xml_tree.hpp"

#include <cctype>
#include <utility>

namespace sluice::runtime {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<std::vector<XmlElement>> read() {
    if (!element()) return std::nullopt;
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0]))) take(1);
    return rest_.empty() ? std::optional(elements_) : std::nullopt;
  }

 private:
  void take(std::size_t count) { rest_.remove_prefix(count); }
  bool skip(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    take(what.size());
    return true;
  }

  std::string name() {
    std::size_t size = 0;
    while (size < rest_.size() &&
           (std::isalnum(static_cast<unsigned char>(rest_[size])) || rest_[size] == '-')) {
      ++size;
    }
    std::string found(rest_.substr(0, size));
    take(size);
    return found;
  }

  // Up to `end`, which may not be '<'; nullopt: a bare sign or an unknown entity.
  std::optional<std::string> words(char end) {
    std::string found;
    while (!rest_.empty() && rest_[0] != end) {
      if (rest_[0] == '<') return std::nullopt;
      if (rest_[0] != '&') {
        if (static_cast<unsigned char>(rest_[0]) < 0x20 && rest_[0] != '\n' && rest_[0] != '\t') {
          return std::nullopt;
        }
        found += rest_[0];
        take(1);
        continue;
      }
      bool is_known = false;
      for (const auto& [entity, character] :
           {std::pair("&amp;", '&'), std::pair("&lt;", '<'), std::pair("&gt;", '>'),
            std::pair("&quot;", '"'), std::pair("&#39;", '\'')}) {
        if (!skip(entity)) continue;
        found += character;
        is_known = true;
        break;
      }
      if (!is_known) return std::nullopt;
    }
    return found;
  }

  bool attribute(XmlElement& of) {
    const std::string key = name();
    if (key.empty() || !skip("=\"")) return false;
    const std::optional<std::string> value = words('"');
    return value && skip("\"") && of.attributes.emplace(key, *value).second;
  }

  bool element() {
    if (!skip("<")) return false;
    const std::size_t index = elements_.size();
    elements_.emplace_back();
    elements_[index].name = name();
    if (elements_[index].name.empty()) return false;
    while (skip(" ")) {
      if (!attribute(elements_[index])) return false;
    }
    if (skip("/>")) return true;
    if (!skip(">")) return false;
    while (!rest_.starts_with("</")) {
      const std::optional<std::string> text = words('<');
      if (!text) return false;
      elements_[index].text += *text;
      if (rest_.empty()) return false;
      if (!rest_.starts_with("</") && !element()) return false;
    }
    return skip("</" + elements_[index].name + ">");
  }

  std::string_view rest_;
  std::vector<XmlElement> elements_;
};

}  // namespace

std::pair<double, double> XmlElement::place() const {
  const std::string& transform = attributes.at("transform");
  std::size_t used = 0;
  const std::string numbers = transform.substr(transform.find('(') + 1);
  const double x = std::stod(numbers, &used);
  return {x, std::stod(numbers.substr(used))};
}

std::optional<std::vector<XmlElement>> read_xml(std::string_view text) {
  return Reader(text).read();
}

std::vector<XmlElement> of_class(const std::vector<XmlElement>& elements, const std::string& kind) {
  std::vector<XmlElement> found;
  for (const XmlElement& element : elements) {
    const auto it = element.attributes.find("class");
    if (it != element.attributes.end() && it->second == kind) found.push_back(element);
  }
  return found;
}

std::vector<std::string> texts(const std::vector<XmlElement>& elements) {
  std::vector<std::string> found;
  for (const XmlElement& element : elements) {
    if (element.name == "text") found.push_back(element.text);
  }
  return found;
}

}  // namespace sluice::runtime
