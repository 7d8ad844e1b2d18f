// SPDX-License-Identifier: Apache-2.0
// Names out of a model file, made fit for an error message.
#pragma once

#include <string>
#include <string_view>

namespace sluice::runtime {

// The text in single quotes, cut to a readable length, every byte outside printable ASCII a '?':
// a hostile file must not write control sequences to a terminal.
std::string printable(std::string_view text);

}  // namespace sluice::runtime
