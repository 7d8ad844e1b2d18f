// SPDX-License-Identifier: Apache-2.0
// Rewrites a pattern in Oniguruma's Ruby syntax so that PCRE2 gives it the same meaning.
#pragma once

#include <string>
#include <string_view>

namespace sluice::runtime {

// \s becomes Oniguruma's set of spaces (PCRE2's has U+180E too), and \p{..} of letters, numbers,
// marks, punctuation and symbols gains the characters of Unicode 15 to 16, which PCRE2 before
// 10.45 does not know.
std::string translate_regex(std::string_view pattern);

// Class intersection (&&), which PCRE2 reads as literal characters, and \h, which means another
// thing there.
bool has_foreign_regex_syntax(std::string_view pattern);

}  // namespace sluice::runtime
