// SPDX-License-Identifier: Apache-2.0
// JSON values of a data set's file, with one clear sentence for each way in which they are wrong.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

using Json = nlohmann::json;

// kCorrupt: not JSON, or deeper than any data set. `name` opens the message.
Result<Json> parse_json_data(std::string_view text, const std::string& name);

// A member of an object at `where` ("x.json: article 3"), of the kind that is asked for.
Result<const Json*> array_member(const Json& object, const char* key, const std::string& where);
Result<std::string> text_member(const Json& object, const char* key, const std::string& where);
Result<std::string> id_member(const Json& object, const char* key, const std::string& where);
// An array of texts, none of them empty, at least one.
Result<std::vector<std::string>> texts_member(const Json& object, const char* key,
                                              const std::string& where);

}  // namespace sluice::runtime
