// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/outcome_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

namespace sluice::runtime {
namespace {

struct TextField {
  const char* name;
  std::string Outcome::*member;
};
constexpr TextField kTexts[] = {{"key", &Outcome::key},
                                {"task", &Outcome::task},
                                {"item", &Outcome::item},
                                {"pipeline", &Outcome::pipeline},
                                {"said", &Outcome::said}};
struct WholeField {
  const char* name;
  std::int64_t Outcome::*member;
};
constexpr WholeField kWholes[] = {{"tokens", &Outcome::tokens},
                                  {"length", &Outcome::length},
                                  {"keys", &Outcome::keys},
                                  {"raw_bytes", &Outcome::raw_bytes},
                                  {"bytes", &Outcome::bytes}};
struct RealField {
  const char* name;
  double Outcome::*member;
};
constexpr RealField kReals[] = {{"depth", &Outcome::depth},
                                {"encode_s", &Outcome::encode_s},
                                {"decode_s", &Outcome::decode_s},
                                {"score", &Outcome::score},
                                {"nll", &Outcome::nll},
                                {"exact_match", &Outcome::exact_match},
                                {"kl", &Outcome::kl},
                                {"top1", &Outcome::top1},
                                {"own_kl", &Outcome::own_kl},
                                {"own_top1", &Outcome::own_top1}};

Error not_an_outcome(const std::string& why) {
  return make_error(ErrorCode::kCorrupt, "not an outcome: " + why);
}

// How the file ended: behind its last whole line.
Result<std::map<std::string, Outcome>> read_lines(const std::filesystem::path& path,
                                                  const std::string& content, std::size_t end) {
  std::map<std::string, Outcome> outcomes;
  std::size_t number = 1;
  for (std::size_t at = 0; at < end; ++number) {
    const std::size_t next = content.find('\n', at);
    const std::string line = content.substr(at, next - at);
    at = next + 1;
    if (line.empty()) continue;
    auto outcome = parse_outcome(line);
    if (!outcome) {
      return make_error(outcome.error().code, path.string() + ", line " + std::to_string(number) +
                                                  ": " + outcome.error().message);
    }
    std::string key = outcome->key;
    outcomes.insert_or_assign(std::move(key), std::move(*outcome));
  }
  return outcomes;
}

}  // namespace

std::string outcome_line(const Outcome& outcome) {
  nlohmann::ordered_json json;
  for (const TextField& field : kTexts) json[field.name] = outcome.*field.member;
  for (const WholeField& field : kWholes) json[field.name] = outcome.*field.member;
  for (const RealField& field : kReals) json[field.name] = outcome.*field.member;
  // An answer may end within a character.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<Outcome> parse_outcome(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return not_an_outcome("no JSON object");
  Outcome outcome;
  const auto wrong = [](const char* name) {
    return not_an_outcome(std::string(name) + " is of another type");
  };
  for (const TextField& field : kTexts) {
    const auto found = json.find(field.name);
    if (found == json.end()) continue;
    if (!found->is_string()) return wrong(field.name);
    outcome.*field.member = found->get<std::string>();
  }
  for (const WholeField& field : kWholes) {
    const auto found = json.find(field.name);
    if (found == json.end()) continue;
    if (!found->is_number_integer()) return wrong(field.name);
    outcome.*field.member = found->get<std::int64_t>();
  }
  for (const RealField& field : kReals) {
    const auto found = json.find(field.name);
    if (found == json.end()) continue;
    if (found->is_null()) {  // JSON has no word for what is not a number
      outcome.*field.member = std::numeric_limits<double>::quiet_NaN();
      continue;
    }
    if (!found->is_number()) return wrong(field.name);
    outcome.*field.member = found->get<double>();
  }
  if (outcome.key.empty()) return not_an_outcome("no key");
  return outcome;
}

struct OutcomeFile::Parts {
  std::filesystem::path path;
  std::ofstream file;
  std::map<std::string, Outcome> outcomes;
};

OutcomeFile::OutcomeFile(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
OutcomeFile::OutcomeFile(OutcomeFile&&) noexcept = default;
OutcomeFile& OutcomeFile::operator=(OutcomeFile&&) noexcept = default;
OutcomeFile::~OutcomeFile() = default;

Result<OutcomeFile> OutcomeFile::open(const std::filesystem::path& path) {
  auto parts = std::make_unique<Parts>();
  parts->path = path;
  if (std::ifstream old(path, std::ios::binary); old) {
    const std::string content(std::istreambuf_iterator<char>(old), {});
    const std::size_t last = content.rfind('\n');
    const std::size_t end = last == std::string::npos ? 0 : last + 1;
    parts->outcomes = SLUICE_TRY(read_lines(path, content, end));
    std::error_code error;
    if (end < content.size()) std::filesystem::resize_file(path, end, error);
    if (error) {
      return make_error(ErrorCode::kUnavailable,
                        "cannot write " + path.string() + ": " + error.message());
    }
  }
  parts->file.open(path, std::ios::binary | std::ios::app);
  if (!parts->file) {
    return make_error(ErrorCode::kUnavailable,
                      "cannot write " + path.string() + ": " + std::strerror(errno));
  }
  return OutcomeFile(std::move(parts));
}

const Outcome* OutcomeFile::find(const std::string& key) const {
  const auto found = parts_->outcomes.find(key);
  return found == parts_->outcomes.end() ? nullptr : &found->second;
}

Status OutcomeFile::append(const Outcome& outcome) {
  parts_->file << outcome_line(outcome) << '\n' << std::flush;
  if (!parts_->file) {
    return make_error(ErrorCode::kUnavailable,
                      "cannot write " + parts_->path.string() + ": " + std::strerror(errno));
  }
  parts_->outcomes.insert_or_assign(outcome.key, outcome);
  return {};
}

}  // namespace sluice::runtime
