// SPDX-License-Identifier: Apache-2.0
// rANS of a plane on one CPU thread: tuned, and plain (rans_body.hpp), with the same results.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/stages/entropy/rans/rans_layout.hpp"
#include "kernels/stages/entropy/symbol_groups.hpp"
#include "kernels/stages/entropy/symbol_model.hpp"

namespace sluice::kernels {

// Words readable after a block's last one, all 0: a step takes at most 32, and overrun stops one
// word after the end.
inline constexpr std::size_t kRansPadWords = 40;

// What is coded, and under which model (of precision kRansPrecision).
struct RansProblem {
  const SymbolGroups& groups;
  const SymbolModel& model;
  std::int64_t rows;  // > 0

  RansLayout layout() const {
    RansLayout layout{.rows = rows, .columns = static_cast<std::int64_t>(groups.columns.size())};
    for (const std::uint32_t group : groups.group_of) layout.row_bits += groups.group_bits[group];
    return layout;
  }
};

// The blocks' words one after another; words_first: [blocks + 1].
struct RansWords {
  std::vector<std::uint16_t> words;
  std::vector<std::uint64_t> words_first;
};

// `symbols`: [rows][groups.all_columns].
RansWords rans_encode(const RansProblem& problem, const std::uint8_t* symbols);
RansWords rans_encode_plain(const RansProblem& problem, const std::uint8_t* symbols);

// One block's words, at least 2 * lanes of them, and kRansPadWords zeros behind.
struct RansBlockWords {
  const std::uint16_t* words = nullptr;
  std::size_t count = 0;
};

// False: some block does not end as encoders end (its states, its number of words). Writes the
// active columns of every row in any case. `blocks`: all of them.
bool rans_decode(const RansProblem& problem, const std::vector<RansBlockWords>& blocks,
                 std::uint8_t* symbols);
bool rans_decode_plain(const RansProblem& problem, const std::vector<RansBlockWords>& blocks,
                       std::uint8_t* symbols);

}  // namespace sluice::kernels
