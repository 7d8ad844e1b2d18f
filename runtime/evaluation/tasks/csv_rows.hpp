// SPDX-License-Identifier: Apache-2.0
// Comma-separated values as RFC 4180 writes them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// Every record, which has `fields` of them: a field may stand in double quotes, where it may hold
// commas, line breaks and quotes (written twice). Records end with LF or CRLF; empty lines between
// them are passed over. kInvalidArgument names the record that is wrong.
Result<std::vector<std::vector<std::string>>> parse_csv(std::string_view text, std::size_t fields,
                                                        const std::string& name);

}  // namespace sluice::runtime
