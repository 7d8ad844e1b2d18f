// SPDX-License-Identifier: Apache-2.0
// A data set's file; the first byte says which.
#include "kernels/core/check.hpp"
#include "runtime/evaluation/answer_score.hpp"
#include "runtime/evaluation/tasks/hotpotqa_items.hpp"
#include "runtime/evaluation/tasks/mmlu_items.hpp"
#include "runtime/evaluation/tasks/needle_items.hpp"
#include "runtime/evaluation/tasks/squad_items.hpp"
#include "runtime/evaluation/tasks/triviaqa_items.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace {

using sluice::Result;
using sluice::runtime::EvaluationItem;

sluice::runtime::ItemRequest request() {
  return {
      .count = 4,
      .count_tokens = [](std::string_view text) { return static_cast<std::int64_t>(text.size()); },
      .lengths = {600}};
}

Result<std::vector<EvaluationItem>> squad_and_needles(std::string_view text) {
  const auto articles = SLUICE_TRY(sluice::runtime::parse_squad(text, "fuzz.json"));
  auto items = sluice::runtime::squad_items_of(articles, request());
  // May refuse, of sentences that are none.
  const auto needles = sluice::runtime::needle_items_of(articles, request());
  SLUICE_CHECK(needles.has_value() || !needles.error().message.empty(), "an error says nothing");
  if (needles) items.insert(items.end(), needles->begin(), needles->end());
  return items;
}

Result<std::vector<EvaluationItem>> parse(char format, std::string_view text) {
  switch (format) {
    case 's':
      return squad_and_needles(text);
    case 't':
      return sluice::runtime::parse_triviaqa(text, "fuzz.jsonl");
    case 'h':
      return sluice::runtime::parse_hotpotqa(text, "fuzz.json");
    default:
      return sluice::runtime::parse_mmlu(text, "subject", "fuzz.csv");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto items = parse(text[0], text.substr(1));
  SLUICE_CHECK(items.has_value() || !items.error().message.empty(), "an error says nothing");
  if (!items) return 0;
  for (const EvaluationItem& item : *items) {
    SLUICE_CHECK(!item.id.empty() && !item.question.empty(), "an item without name or question");
    SLUICE_CHECK(item.prompt.ends_with(item.question), "a prompt that does not end as it must");
    SLUICE_CHECK(!item.answers.empty(), "an item without an answer");
    const double exact = sluice::runtime::exact_match(item, item.answers[0]);
    SLUICE_CHECK(exact == 1.0 || item.task == "squad", "a right answer is wrong");
  }
  return 0;
}

namespace sluice::fuzz {

std::vector<std::string> seeds() {
  return {
      R"(s{"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context":
      "The one is the first of them. The two is the second of them!", "qas": [{"id": "q1",
      "question": "Q?", "is_impossible": false, "answers": [{"text": "a", "answer_start": 1}]}]},
      {"context": "C\u00e9", "qas": [{"id": "q2", "question": "Q", "is_impossible": true,
      "answers": []}]}]}]})",
      R"(t{"id": "t1", "question": "Q?", "answers": ["a", "The B"], "context": "The b is a."}

{"id": "t2", "question": "\ud83d\ude00", "answers": ["x"], "context": "y"})",
      R"(h[{"_id": "h1", "question": "Q?", "answer": "yes", "context": [["T", ["S.", " S."]]]},
      {"question": "Q?", "answer": "no", "context": {"title": ["T"], "sentences": [["S."]]}}])",
      "m\"A text,\nwith \"\"quotes\"\"\",a,\"b\",c,d,A\r\nQ?,1,2,3,4,D\n",
  };
}

}  // namespace sluice::fuzz
