// SPDX-License-Identifier: Apache-2.0
#include "bench/quality/item_file.hpp"

#include <fstream>
#include <nlohmann/json.hpp>

namespace sluice::bench {

Result<std::vector<Item>> load_items(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return make_error(ErrorCode::kNotFound, path.string() + " cannot be read");
  std::vector<Item> items;
  std::int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    try {
      const auto json = nlohmann::json::parse(line);
      Item item{json.at("task"), json.at("prompt"), json.value("question", ""),
                json.value("answer_start", ""), json.at("answer")};
      if (!item.prompt.ends_with(item.question) || item.answer.empty()) {
        return make_error(ErrorCode::kInvalidArgument,
                          path.string() + ", line " + std::to_string(number) +
                              ": the prompt does not end with the question, or nothing answers it");
      }
      items.push_back(std::move(item));
    } catch (const nlohmann::json::exception& error) {
      return make_error(ErrorCode::kInvalidArgument,
                        path.string() + ", line " + std::to_string(number) + ": " + error.what());
    }
  }
  return items;
}

}  // namespace sluice::bench
