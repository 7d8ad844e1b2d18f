// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/squad_items.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "runtime/evaluation/tasks/data_file.hpp"
#include "runtime/evaluation/tasks/seeded_random.hpp"

namespace sluice::runtime {
namespace {

constexpr std::size_t kOtherParagraphs = 2;

struct Place {
  std::size_t paragraph;
  std::size_t question;
  std::size_t turn = 0;  // among its paragraph's questions, as shuffled
};

// All questions of an article, in the order in which they are asked.
std::vector<Place> order_of(const SquadArticle& article, SeededRandom random) {
  std::vector<Place> places;
  for (std::size_t p = 0; p < article.paragraphs.size(); ++p) {
    for (std::size_t q = 0; q < article.paragraphs[p].questions.size(); ++q) {
      places.push_back({p, q});
    }
  }
  random.shuffle(places);
  std::vector<std::size_t> turns(article.paragraphs.size(), 0);
  for (Place& place : places) place.turn = turns[place.paragraph]++;
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.turn < b.turn; });
  return places;
}

EvaluationItem item_of(const SquadArticle& article, const Place& place, std::uint64_t seed) {
  const SquadQuestion& asked = article.paragraphs[place.paragraph].questions[place.question];
  SeededRandom random(seed, asked.id);
  std::vector<std::size_t> chosen;
  for (std::size_t p = 0; p < article.paragraphs.size(); ++p) {
    if (p != place.paragraph) chosen.push_back(p);
  }
  random.shuffle(chosen);
  if (chosen.size() > kOtherParagraphs) chosen.resize(kOtherParagraphs);
  const auto at = static_cast<std::ptrdiff_t>(random.below(chosen.size() + 1));
  chosen.insert(chosen.begin() + at, place.paragraph);

  EvaluationItem item;
  item.task = "squad";
  item.id = asked.id;
  for (const std::size_t p : chosen) item.prompt += article.paragraphs[p].context + "\n\n";
  item.question = kBriefly + asked.question;
  item.prompt += item.question;
  item.answers = asked.answers;
  return item;
}

}  // namespace

std::vector<EvaluationItem> squad_items_of(const std::vector<SquadArticle>& articles,
                                           const ItemRequest& request) {
  struct Asked {
    const SquadArticle* article;
    std::vector<Place> places;
  };
  std::vector<Asked> order;
  for (std::size_t a = 0; a < articles.size(); ++a) {
    order.push_back({&articles[a], order_of(articles[a], {request.seed, "squad questions", a})});
  }
  SeededRandom(request.seed, "squad articles").shuffle(order);

  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, request.count));
  std::vector<EvaluationItem> items;
  bool is_more = true;
  for (std::size_t round = 0; is_more && items.size() < wanted; ++round) {
    is_more = false;
    for (const auto& [article, places] : order) {
      if (round >= places.size() || items.size() >= wanted) continue;
      items.push_back(item_of(*article, places[round], request.seed));
      is_more = true;
    }
  }
  return items;
}

Result<std::vector<EvaluationItem>> squad_items(const ItemRequest& request) {
  return squad_items_of(SLUICE_TRY(load_squad(request.data)), request);
}

}  // namespace sluice::runtime
