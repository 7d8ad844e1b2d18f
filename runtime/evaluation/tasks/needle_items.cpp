// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/needle_items.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "runtime/evaluation/tasks/haystack.hpp"
#include "runtime/evaluation/tasks/seeded_random.hpp"

namespace sluice::runtime {
namespace {

// One token each with most tokenizers, so that no key is longer to name than another.
constexpr std::array<std::string_view, 16> kCities = {
    "Paris",  "Oslo",   "Cairo",  "Lima", "Tokyo", "Berlin", "Madrid", "Toronto",
    "Sydney", "Dublin", "London", "Rome", "Delhi", "Boston", "Vienna", "Prague"};

constexpr std::int64_t kLengthMax = std::int64_t{1} << 20;
constexpr std::int64_t kNeedlesMax = 10000;
constexpr std::size_t kGridMax = 4096;

struct Cell {
  std::int64_t length;
  double depth;
  std::int64_t keys;
};

Error wrong_grid(const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument, "needle: " + why);
}

Result<std::vector<Cell>> grid_of(const ItemRequest& request) {
  auto lengths = request.lengths;
  auto depths = request.depths;
  auto keys = request.keys;
  if (lengths.empty()) lengths = {512, 768, 1024};
  if (depths.empty()) depths = {0.0, 0.25, 0.5, 0.75, 1.0};
  if (keys.empty()) keys = {1, 4};
  for (const std::int64_t length : lengths) {
    if (length < 1 || length > kLengthMax) {
      return wrong_grid("a length of " + std::to_string(length) + " tokens is not 1 to " +
                        std::to_string(kLengthMax));
    }
  }
  for (const double depth : depths) {
    if (!(depth >= 0.0 && depth <= 1.0)) return wrong_grid("a depth is not 0 to 1");
  }
  for (const std::int64_t count : keys) {
    if (count < 1 || count > static_cast<std::int64_t>(kCities.size())) {
      return wrong_grid(std::to_string(count) + " keys are not 1 to " +
                        std::to_string(kCities.size()));
    }
  }
  if (lengths.size() > kGridMax || depths.size() > kGridMax || keys.size() > kGridMax ||
      lengths.size() * depths.size() * keys.size() > kGridMax) {
    return wrong_grid("the grid has more than " + std::to_string(kGridMax) + " places");
  }
  std::vector<Cell> grid;
  for (const std::int64_t length : lengths) {
    for (const double depth : depths) {
      for (const std::int64_t count : keys) grid.push_back({length, depth, count});
    }
  }
  return grid;
}

std::string needle(std::string_view city, const std::string& number) {
  return "The special magic number for " + std::string(city) + " is " + number + ".";
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const auto& sentence : sentences) {
    if (!text.empty()) text += ' ';
    text += sentence;
  }
  return text;
}

// What is hidden; the first one is asked for.
struct Needles {
  std::vector<std::string_view> cities;
  std::vector<std::string> numbers;  // of seven digits, no two alike
};

Needles draw_needles(std::int64_t keys, SeededRandom& random) {
  Needles needles;
  needles.cities.assign(kCities.begin(), kCities.end());
  random.shuffle(needles.cities);
  needles.cities.resize(static_cast<std::size_t>(keys));
  while (needles.numbers.size() < needles.cities.size()) {
    auto number = std::to_string(1'000'000 + random.below(9'000'000));
    if (std::find(needles.numbers.begin(), needles.numbers.end(), number) !=
        needles.numbers.end()) {
      continue;
    }
    needles.numbers.push_back(std::move(number));
  }
  return needles;
}

// The sentences with all needles among them; the asked one goes in last, to its exact place.
std::string hide(std::vector<std::string> sentences, const Needles& needles, double depth,
                 SeededRandom random) {
  for (std::size_t i = needles.cities.size(); i-- > 0;) {
    const double asked = std::round(depth * static_cast<double>(sentences.size()));
    const std::size_t at =
        i == 0 ? static_cast<std::size_t>(asked) : random.below(sentences.size() + 1);
    sentences.insert(sentences.begin() + static_cast<std::ptrdiff_t>(at),
                     needle(needles.cities[i], needles.numbers[i]));
  }
  return joined(sentences);
}

std::string id_of(const Cell& cell, std::size_t round) {
  std::array<char, 32> depth{};
  const auto end = std::to_chars(depth.data(), depth.data() + depth.size(), cell.depth);
  std::string id = "l";
  id += std::to_string(cell.length);
  id += "-d";
  id.append(depth.data(), end.ptr);
  id += "-k";
  id += std::to_string(cell.keys);
  id += "-n";
  id += std::to_string(round);
  return id;
}

Result<EvaluationItem> item_of(const Cell& cell, std::size_t round, const Haystack& haystack,
                               const ItemRequest& request) {
  EvaluationItem item;
  item.task = "needle";
  item.id = id_of(cell, round);
  item.length = cell.length;
  item.depth = cell.depth;
  item.keys = cell.keys;
  SeededRandom random(request.seed, item.id);
  const Needles needles = draw_needles(cell.keys, random);
  const std::string city(needles.cities[0]);
  item.question = "What is the special magic number for " + city + "?";
  item.answer_start = "The special magic number for " + city + " is";
  item.answers = {" " + needles.numbers[0]};

  const std::string tail = "\n\n" + item.question;
  const SeededRandom places(request.seed, item.id, 1);
  const std::int64_t room = cell.length - kAroundTokens;
  std::int64_t left = room - request.count_tokens(hide({}, needles, cell.depth, places) + tail);
  if (left < 0) {
    return wrong_grid("a length of " + std::to_string(cell.length) + " tokens has no room for " +
                      std::to_string(cell.keys) + " needles and the question");
  }
  for (;;) {
    SeededRandom drawing = random;
    const auto sentences = haystack.draw(left, drawing);
    item.prompt = hide(sentences, needles, cell.depth, places) + tail;
    // Tokens that reach over the ends of sentences make some more than the sentences' own.
    const std::int64_t over = request.count_tokens(item.prompt) - room;
    if (over <= 0 || sentences.empty()) return item;
    left -= over;
  }
}

}  // namespace

Result<std::vector<EvaluationItem>> needle_items_of(const std::vector<SquadArticle>& articles,
                                                    const ItemRequest& request) {
  if (!request.count_tokens) return wrong_grid("tokens cannot be counted without a tokenizer");
  if (request.count > kNeedlesMax) {
    return wrong_grid(std::to_string(request.count) + " items are more than " +
                      std::to_string(kNeedlesMax));
  }
  const auto grid = SLUICE_TRY(grid_of(request));
  const Haystack haystack(articles, request.count_tokens);
  if (haystack.is_empty()) return wrong_grid("the articles hold no sentences to hide among");

  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, request.count));
  std::vector<EvaluationItem> items;
  for (std::size_t round = 0; items.size() < wanted; ++round) {
    auto cells = grid;
    SeededRandom(request.seed, "needle grid", round).shuffle(cells);
    for (const Cell& cell : cells) {
      if (items.size() >= wanted) break;
      items.push_back(SLUICE_TRY(item_of(cell, round, haystack, request)));
    }
  }
  return items;
}

Result<std::vector<EvaluationItem>> needle_items(const ItemRequest& request) {
  return needle_items_of(SLUICE_TRY(load_squad(request.data)), request);
}

}  // namespace sluice::runtime
