// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/hotpotqa_items.hpp"

#include <set>
#include <utility>

#include "runtime/evaluation/tasks/data_file.hpp"
#include "runtime/evaluation/tasks/json_data.hpp"

namespace sluice::runtime {
namespace {

Error wrong_context(const std::string& where) {
  return make_error(ErrorCode::kInvalidArgument,
                    where + ": \"context\" is no list of titles with their sentences");
}

// "Title\nSentences.\n\n"
Status append_paragraph(const Json& title, const Json& sentences, const std::string& where,
                        std::string& out) {
  if (!title.is_string() || !sentences.is_array()) return wrong_context(where);
  out += title.get_ref<const std::string&>() + "\n";
  for (const Json& sentence : sentences) {
    if (!sentence.is_string()) return wrong_context(where);
    out += sentence.get_ref<const std::string&>();  // begins with its space
  }
  out += "\n\n";
  return {};
}

Result<std::string> parse_context(const Json& question, const std::string& where) {
  const auto context = question.find("context");
  if (context == question.end()) return wrong_context(where);
  std::string out;
  if (context->is_object()) {
    const Json& titles = *SLUICE_TRY(array_member(*context, "title", where));
    const Json& sentences = *SLUICE_TRY(array_member(*context, "sentences", where));
    if (titles.size() != sentences.size()) return wrong_context(where);
    for (std::size_t i = 0; i < titles.size(); ++i) {
      SLUICE_TRY(append_paragraph(titles[i], sentences[i], where, out));
    }
  } else if (context->is_array()) {
    for (const Json& pair : *context) {
      if (!pair.is_array() || pair.size() != 2) return wrong_context(where);
      SLUICE_TRY(append_paragraph(pair[0], pair[1], where, out));
    }
  }
  SLUICE_TRY(check_data_text(out, where + ": \"context\""));
  return out;
}

Result<EvaluationItem> parse_question(const Json& json, std::size_t number,
                                      const std::string& where) {
  if (!json.is_object()) {
    return make_error(ErrorCode::kInvalidArgument, where + " is not an object");
  }
  EvaluationItem item;
  item.task = "hotpotqa";
  item.id = std::to_string(number);
  for (const char* key : {"_id", "id"}) {
    if (json.contains(key)) item.id = SLUICE_TRY(id_member(json, key, where));
  }
  item.question = kBriefly + SLUICE_TRY(text_member(json, "question", where));
  item.prompt = SLUICE_TRY(parse_context(json, where)) + item.question;
  item.answers = {SLUICE_TRY(text_member(json, "answer", where))};
  return item;
}

}  // namespace

Result<std::vector<EvaluationItem>> parse_hotpotqa(std::string_view text, const std::string& name) {
  const Json json = SLUICE_TRY(parse_json_data(text, name));
  if (!json.is_array() || json.empty()) {
    return make_error(ErrorCode::kInvalidArgument, name + ": is no list of questions");
  }
  std::vector<EvaluationItem> items;
  std::set<std::string> ids;
  for (const Json& question : json) {
    const std::size_t number = items.size() + 1;
    const std::string where = name + ": question " + std::to_string(number);
    auto item = SLUICE_TRY(parse_question(question, number, where));
    if (!ids.insert(item.id).second) {
      return make_error(ErrorCode::kInvalidArgument, where + " has the \"_id\" of another one");
    }
    items.push_back(std::move(item));
  }
  return items;
}

Result<std::vector<EvaluationItem>> hotpotqa_items(const ItemRequest& request) {
  const auto file = SLUICE_TRY(DataFile::open_only(
      request.data, {{"hotpot-", ".json"}, {"hotpot_dev_distractor", ".json"}}));
  return first_items(SLUICE_TRY(parse_hotpotqa(file.text(), file.name())), request, "hotpotqa");
}

}  // namespace sluice::runtime
