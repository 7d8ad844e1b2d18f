// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/squad_file.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/evaluation/tasks/data_file.hpp"
#include "runtime/evaluation/tasks/json_data.hpp"

namespace sluice::runtime {
namespace {

bool is_impossible(const Json& question) {
  const auto found = question.find("is_impossible");  // not there in version 1.1
  return found != question.end() && found->is_boolean() && found->get<bool>();
}

Result<std::vector<std::string>> parse_answers(const Json& question, const std::string& where) {
  std::vector<std::string> answers;
  for (const Json& answer : *SLUICE_TRY(array_member(question, "answers", where))) {
    auto text = SLUICE_TRY(text_member(answer, "text", where + ": an answer"));
    if (std::find(answers.begin(), answers.end(), text) == answers.end()) {
      answers.push_back(std::move(text));
    }
  }
  if (answers.empty()) {
    return make_error(ErrorCode::kInvalidArgument,
                      where + " can be answered, but has no \"answers\"");
  }
  return answers;
}

Result<SquadParagraph> parse_paragraph(const Json& paragraph, const std::string& where,
                                       std::set<std::string>& ids) {
  SquadParagraph parsed;
  parsed.context = SLUICE_TRY(text_member(paragraph, "context", where));
  std::size_t number = 0;
  for (const Json& question : *SLUICE_TRY(array_member(paragraph, "qas", where))) {
    const std::string here = where + ", question " + std::to_string(++number);
    SquadQuestion one;
    one.id = SLUICE_TRY(id_member(question, "id", here));
    if (!ids.insert(one.id).second) {
      return make_error(ErrorCode::kInvalidArgument, here + " has the \"id\" of another one");
    }
    one.question = SLUICE_TRY(text_member(question, "question", here));
    if (is_impossible(question)) continue;
    one.answers = SLUICE_TRY(parse_answers(question, here));
    parsed.questions.push_back(std::move(one));
  }
  return parsed;
}

}  // namespace

Result<std::vector<SquadArticle>> parse_squad(std::string_view text, const std::string& name) {
  const Json json = SLUICE_TRY(parse_json_data(text, name));
  std::vector<SquadArticle> articles;
  std::set<std::string> ids;
  for (const Json& article : *SLUICE_TRY(array_member(json, "data", name))) {
    const std::string where = name + ": article " + std::to_string(articles.size() + 1);
    SquadArticle parsed;
    parsed.title = SLUICE_TRY(text_member(article, "title", where));
    for (const Json& paragraph : *SLUICE_TRY(array_member(article, "paragraphs", where))) {
      const std::string here =
          where + ", paragraph " + std::to_string(parsed.paragraphs.size() + 1);
      parsed.paragraphs.push_back(SLUICE_TRY(parse_paragraph(paragraph, here, ids)));
    }
    if (parsed.paragraphs.empty()) {
      return make_error(ErrorCode::kInvalidArgument, where + " has no paragraphs");
    }
    articles.push_back(std::move(parsed));
  }
  if (articles.empty()) {
    return make_error(ErrorCode::kInvalidArgument, name + ": has no articles");
  }
  return articles;
}

Result<std::vector<SquadArticle>> load_squad(const std::filesystem::path& folder) {
  const auto file =
      SLUICE_TRY(DataFile::open_only(folder, {{"squad-v2.0-", ".json"}, {"dev-v2.0", ".json"}}));
  return parse_squad(file.text(), file.name());
}

}  // namespace sluice::runtime
