// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/score_merges.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace sluice::runtime {
namespace {

// Bounds the work of a hostile file: a piece is tried at each of its places. SentencePiece's own
// limit is 16 characters unless the trainer is told otherwise.
constexpr std::size_t kPieceBytesMax = 1024;

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

Result<std::vector<MergeRule>> merges_from_scores(std::span<const std::string> pieces,
                                                  std::span<const double> scores,
                                                  const std::vector<bool>& mergeable) {
  std::unordered_map<std::string_view, TokenId> ids;
  std::vector<double> ranked;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (!mergeable[i] || pieces[i].empty()) continue;
    if (pieces[i].size() > kPieceBytesMax) {
      return make_error(ErrorCode::kUnsupported, "The tokenizer's piece " + std::to_string(i) +
                                                     " is longer than " +
                                                     std::to_string(kPieceBytesMax) + " bytes.");
    }
    ids.emplace(pieces[i], static_cast<TokenId>(i));
    ranked.push_back(scores[i]);
  }
  std::sort(ranked.begin(), ranked.end(), std::greater<>());
  ranked.erase(std::unique(ranked.begin(), ranked.end()), ranked.end());
  std::vector<MergeRule> rules;
  for (const auto& [piece, id] : ids) {
    const double score = scores[static_cast<std::size_t>(id)];
    const auto place = std::lower_bound(ranked.begin(), ranked.end(), score, std::greater<>());
    const auto rank = static_cast<std::int32_t>(place - ranked.begin());
    for (std::size_t at = 1; at < piece.size(); ++at) {
      if (!begins_character(piece[at])) continue;
      const auto left = ids.find(piece.substr(0, at));
      if (left == ids.end()) continue;
      const auto right = ids.find(piece.substr(at));
      if (right != ids.end()) rules.push_back({left->second, right->second, id, rank});
    }
  }
  return rules;
}

}  // namespace sluice::runtime
