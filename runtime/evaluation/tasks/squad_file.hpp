// SPDX-License-Identifier: Apache-2.0
// SQuAD's articles (Rajpurkar et al., arXiv 1806.03822): the official JSON, version 1.1 or 2.0.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

struct SquadQuestion {
  std::string id;
  std::string question;
  std::vector<std::string> answers;  // each once, in the file's order; at least one
};

struct SquadParagraph {
  std::string context;
  std::vector<SquadQuestion> questions;  // those that the paragraph answers
};

struct SquadArticle {
  std::string title;
  std::vector<SquadParagraph> paragraphs;  // at least one
};

// kCorrupt: not JSON. kInvalidArgument: names the article, paragraph and question that is wrong.
Result<std::vector<SquadArticle>> parse_squad(std::string_view text, const std::string& name);

// The one squad-v2.0-*.json or dev-v2.0.json of a folder.
Result<std::vector<SquadArticle>> load_squad(const std::filesystem::path& folder);

}  // namespace sluice::runtime
