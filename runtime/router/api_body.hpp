// SPDX-License-Identifier: Apache-2.0
// One JSON object of a request, read key by key, so that the keys nobody read can be refused.
// Private to the sources beside it: it names the JSON library.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

using Json = nlohmann::json;

Error bad_request(std::string message);

// What a message may quote of the client's own text: at most 200 bytes, cut between characters.
std::string shortened(const std::string& text);

// `name` is how messages call the object; null means absent everywhere.
class ApiBody {
 public:
  // kInvalidArgument when `body` is not UTF-8, not JSON, too deeply nested, or not an object.
  static Result<ApiBody> parse(const std::string& body);
  ApiBody(Json object, std::string name) : object_(std::move(object)), name_(std::move(name)) {}

  // Null when absent. The key counts as read.
  const Json* find(const std::string& key);

  Result<std::optional<std::string>> text(const std::string& key);
  Result<bool> flag(const std::string& key, bool otherwise);
  Result<std::optional<std::int64_t>> integer(const std::string& key, std::int64_t min,
                                              std::int64_t max);
  Result<double> number(const std::string& key, double otherwise, double min, double max);

  // The key may be there if its value is one of these: it then changes nothing.
  Status only(const std::string& key, const std::vector<Json>& values);

  // The keys that mean nothing to us and change no answer.
  void ignore(const std::vector<std::string>& keys);

  // kUnsupported, naming a key that was not read.
  Status end() const;

 private:
  Error wrong(const std::string& key, const std::string& what) const;

  Json object_;
  std::string name_;
  std::set<std::string> read_;
};

}  // namespace sluice::runtime
