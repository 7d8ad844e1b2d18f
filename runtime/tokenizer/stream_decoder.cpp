// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include "runtime/tokenizer/tokenizer.hpp"
#include "runtime/tokenizer/utf8.hpp"

namespace sluice::runtime {

// A token writes the same bytes wherever it stands, except that some tokenizers drop the space at
// the very start of a text. The second of two equal tokens shows what it writes elsewhere.
std::string StreamDecoder::push(TokenId token) {
  const std::array<TokenId, 2> twice = {token, token};
  std::string alone = tokenizer_.decode(std::span(twice).first(1));
  std::string pair = tokenizer_.decode(twice);
  const bool writes = pair.size() > alone.size();
  pending_ += is_first_ ? alone : pair.substr(alone.size());
  if (writes) is_first_ = false;
  const std::size_t whole_bytes = pending_.size() - utf8_unfinished_bytes(pending_);
  std::string whole = pending_.substr(0, whole_bytes);
  pending_.erase(0, whole_bytes);
  return whole;
}

std::string StreamDecoder::finish() {
  is_first_ = !continues_;
  return std::exchange(pending_, {});
}

}  // namespace sluice::runtime
