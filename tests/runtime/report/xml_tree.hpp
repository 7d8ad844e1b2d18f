// SPDX-License-Identifier: Apache-2.0
// A strict reader of the small XML that pictures are: anything out of order ends it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::runtime {

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;
  std::string text;  // its own, entities read

  double number(const std::string& attribute) const { return std::stod(attributes.at(attribute)); }
  // Of "translate(X Y)".
  std::pair<double, double> place() const;
};

// All elements in document order; empty when the text is not well-formed.
std::optional<std::vector<XmlElement>> read_xml(std::string_view text);

std::vector<XmlElement> of_class(const std::vector<XmlElement>& elements, const std::string& kind);
std::vector<std::string> texts(const std::vector<XmlElement>& elements);

}  // namespace sluice::runtime
