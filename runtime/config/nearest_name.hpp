// SPDX-License-Identifier: Apache-2.0
// The name somebody probably meant: for error messages about typing mistakes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace sluice::runtime {

// The name in double quotes, for messages.
std::string in_quotes(std::string_view name);

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
// string alignment distance). Quadratic: for short names.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `names`, the first among equals; empty when none is near (over a third of the
// letters differ). Case does not count as a difference.
std::string_view nearest_name(std::string_view name, std::span<const std::string_view> names);

// What to say about a name that is not one of `names`: `did you mean "port"?` when one is near,
// else `valid are "host" and "port"`.
std::string suggest_name(std::string_view name, std::span<const std::string_view> names);

}  // namespace sluice::runtime
