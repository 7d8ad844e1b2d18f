// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/triviaqa_items.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/evaluation/tasks/data_file.hpp"
#include "runtime/evaluation/tasks/json_data.hpp"
#include "runtime/tokenizer/letter_case.hpp"

namespace sluice::runtime {
namespace {

void put_found_first(std::vector<std::string>& answers, const std::string& context) {
  auto found = std::find_if(answers.begin(), answers.end(), [&](const std::string& answer) {
    return context.find(answer) != std::string::npos;
  });
  if (found == answers.end()) {
    const std::string lower_context = lowercase(context);
    found = std::find_if(answers.begin(), answers.end(), [&](const std::string& answer) {
      return lower_context.find(lowercase(answer)) != std::string::npos;
    });
  }
  if (found != answers.end()) std::rotate(answers.begin(), found, found + 1);
}

Result<EvaluationItem> parse_line(std::string_view line, const std::string& where) {
  const Json json = SLUICE_TRY(parse_json_data(line, where));
  EvaluationItem item;
  item.task = "triviaqa";
  item.id = SLUICE_TRY(id_member(json, "id", where));
  const auto context = SLUICE_TRY(text_member(json, "context", where));
  item.question = kBriefly + SLUICE_TRY(text_member(json, "question", where));
  item.prompt = context + "\n\n" + item.question;
  item.answers = SLUICE_TRY(texts_member(json, "answers", where));
  put_found_first(item.answers, context);
  return item;
}

}  // namespace

Result<std::vector<EvaluationItem>> parse_triviaqa(std::string_view text, const std::string& name) {
  std::vector<EvaluationItem> items;
  std::set<std::string> ids;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t bytes = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, bytes);
    text.remove_prefix(std::min(bytes + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = name + ": line " + std::to_string(number);
    auto item = SLUICE_TRY(parse_line(line, where));
    if (!ids.insert(item.id).second) {
      return make_error(ErrorCode::kInvalidArgument, where + " has the \"id\" of another line");
    }
    items.push_back(std::move(item));
  }
  if (items.empty()) return make_error(ErrorCode::kInvalidArgument, name + ": has no questions");
  return items;
}

Result<std::vector<EvaluationItem>> triviaqa_items(const ItemRequest& request) {
  const auto file = SLUICE_TRY(DataFile::open_only(request.data, {{"triviaqa-", ".jsonl"}}));
  return first_items(SLUICE_TRY(parse_triviaqa(file.text(), file.name())), request, "triviaqa");
}

}  // namespace sluice::runtime
