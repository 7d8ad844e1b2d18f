// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/tasks/mmlu_items.hpp"

#include <algorithm>
#include <utility>

#include "runtime/evaluation/tasks/csv_rows.hpp"
#include "runtime/evaluation/tasks/data_file.hpp"
#include "runtime/evaluation/tasks/seeded_random.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view kSuffix = "_test.csv";
constexpr std::string_view kLetters = "ABCD";
constexpr std::size_t kFields = 6;  // question, four choices, the right letter

// What stands before the last line break: in some subjects, the text that is asked about.
std::size_t last_line(const std::string& text) {
  const std::size_t line_break = text.rfind('\n');
  return line_break == std::string::npos ? 0 : line_break + 1;
}

Result<EvaluationItem> item_of(const std::vector<std::string>& row, const std::string& subject,
                               const std::string& where) {
  for (const std::string& field : row) SLUICE_TRY(check_data_text(field, where + ": a field"));
  const std::string& letter = row[kFields - 1];
  if (letter.size() != 1 || kLetters.find(letter[0]) == std::string_view::npos) {
    return make_error(ErrorCode::kInvalidArgument, where + " has an answer that is none of A to D");
  }
  const std::size_t asked = last_line(row[0]);
  EvaluationItem item;
  item.task = "mmlu";
  item.question = row[0].substr(asked);
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    item.question += std::string("\n") + kLetters[i] + ". " + row[i + 1];
    item.choices.push_back(std::string(" ") + kLetters[i]);
  }
  std::string topic = subject;
  std::replace(topic.begin(), topic.end(), '_', ' ');
  item.prompt = "The following are multiple choice questions (with answers) about " + topic +
                ".\n\n" + row[0].substr(0, asked) + item.question;
  item.answer_start = "Answer:";
  item.answers = {" " + letter};
  return item;
}

}  // namespace

Result<std::vector<EvaluationItem>> parse_mmlu(std::string_view text, const std::string& subject,
                                               const std::string& name) {
  const auto rows = SLUICE_TRY(parse_csv(text, kFields, name));
  std::vector<EvaluationItem> items;
  for (const auto& row : rows) {
    const std::string number = std::to_string(items.size() + 1);
    auto item = SLUICE_TRY(item_of(row, subject, name + ": record " + number));
    item.id = subject + "-" + number;
    SLUICE_TRY(check_item_id(item.id, name + ": the name of the subject"));
    items.push_back(std::move(item));
  }
  if (items.empty()) return make_error(ErrorCode::kInvalidArgument, name + ": has no questions");
  return items;
}

Result<std::vector<EvaluationItem>> mmlu_items(const ItemRequest& request) {
  const auto files = SLUICE_TRY(data_files(request.data / "mmlu", {"", kSuffix.data()}));
  std::vector<std::vector<EvaluationItem>> subjects;
  for (const auto& path : files) {
    const auto file = SLUICE_TRY(DataFile::open(path));
    const std::string base = path.filename().string();
    const std::string subject = base.substr(0, base.size() - kSuffix.size());
    subjects.push_back(SLUICE_TRY(parse_mmlu(file.text(), subject, file.name())));
    SeededRandom(request.seed, "mmlu " + subject).shuffle(subjects.back());
  }
  SeededRandom(request.seed, "mmlu subjects").shuffle(subjects);

  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, request.count));
  std::vector<EvaluationItem> items;
  bool is_more = true;
  for (std::size_t round = 0; is_more && items.size() < wanted; ++round) {
    is_more = false;
    for (auto& subject : subjects) {
      if (round >= subject.size() || items.size() >= wanted) continue;
      items.push_back(std::move(subject[round]));
      is_more = true;
    }
  }
  return items;
}

}  // namespace sluice::runtime
