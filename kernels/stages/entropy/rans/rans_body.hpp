// SPDX-License-Identifier: Apache-2.0
// rANS for both blocks, and the oracle of the tuned CPU code: one block of the plane per index,
// lane l has row l of each team of 32 rows. Plain on purpose.
#pragma once

#include <cstdint>

#include "kernels/core/block.hpp"
#include "kernels/stages/entropy/rans/rans_layout.hpp"

namespace sluice::kernels {

// A plane's model as flat arrays. All pointers are of the memory where the body runs.
struct RansModelView {
  const std::uint32_t* columns;    // [layout.columns], within a row of symbols
  const std::uint32_t* first;      // [layout.columns], of the column's table
  const std::uint8_t* bits;        // [layout.columns], 1 to 8
  const std::uint16_t* frequency;  // of all tables, 2^bits each
  const std::uint16_t* start;
};

struct RansDecodeTask {
  RansLayout layout;
  RansModelView model;
  const std::uint16_t* const* words;  // by block: [lanes] high halves, [lanes] low halves, words
  const std::uint64_t* words_count;   // [blocks], each at least 2 * lanes
  std::uint8_t* symbols;              // [rows][stride]; active columns are written
  std::int64_t stride;
  std::uint8_t* is_corrupt;  // [blocks]
};

struct RansEncodeTask {
  RansLayout layout;
  RansModelView model;
  const std::uint8_t* symbols;  // [rows][stride]
  std::int64_t stride;
  // Block b fills the end of [words_last[b] - layout.words_max(b), words_last[b]).
  std::uint16_t* words;
  const std::uint64_t* words_last;  // [blocks]
  std::uint64_t* words_used;        // [blocks]
};

// A value of each lane: a register where a lane is a thread, an array where lanes are a loop.
template <class Block, class T>
struct LaneValue {
  T value;
  SLUICE_HOST_DEVICE T& operator[](std::int64_t) { return value; }
};
template <class T>
struct LaneValue<HostBlock, T> {
  T values[kBlockLanes];
  SLUICE_HOST_DEVICE T& operator[](std::int64_t lane) { return values[lane]; }
};

SLUICE_HOST_DEVICE inline std::uint32_t count_bits(std::uint32_t bits) {
  bits -= (bits >> 1) & 0x55555555U;
  bits = (bits & 0x33333333U) + ((bits >> 2) & 0x33333333U);
  return (((bits + (bits >> 4)) & 0x0f0f0f0fU) * 0x01010101U) >> 24;
}
SLUICE_HOST_DEVICE inline std::uint32_t lanes_before(std::uint32_t mask, std::int64_t lane) {
  return count_bits(mask & ((1U << lane) - 1));
}

// The last symbol that starts at the slot or before it: one without frequency never is.
SLUICE_HOST_DEVICE inline std::uint32_t symbol_at(const std::uint16_t* start, int bits,
                                                  std::uint32_t slot) {
  std::uint32_t symbol = 0;
  for (std::uint32_t step = 1U << (bits - 1); step != 0; step /= 2) {
    if (start[symbol + step] <= slot) symbol += step;
  }
  return symbol;
}

struct RansDecodeBody {
  RansDecodeTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const RansLayout& layout = task.layout;
    const std::int64_t lanes = layout.lanes();
    const std::uint16_t* words = task.words[block.index()];
    const std::uint64_t end = task.words_count[block.index()];
    LaneValue<Block, std::uint32_t> state;
    block.each(lanes, [&](std::int64_t lane) {
      state[lane] = std::uint32_t{words[lane]} << 16 | words[lanes + lane];
    });
    std::uint64_t at = static_cast<std::uint64_t>(2 * lanes);
    for (std::int64_t team = layout.first_team(block.index());
         team < layout.first_team(block.index() + 1); ++team) {
      for (std::int64_t i = 0; i < layout.columns; ++i) {
        at = step(block, team, i, {words, at, end}, state);
      }
    }
    const std::uint32_t wrong =
        block.ballot([&](int lane) { return lane < lanes && state[lane] != kRansStateMin; });
    block.each(
        1, [&](std::int64_t) { task.is_corrupt[block.index()] = wrong != 0 || at != end ? 1 : 0; });
  }

 private:
  struct Words {
    const std::uint16_t* words;
    std::uint64_t at;
    std::uint64_t end;
  };

  // One column of one team; returns where the next word is, or end + 1 when there were too few.
  template <class Block>
  SLUICE_HOST_DEVICE std::uint64_t step(const Block& block, std::int64_t team, std::int64_t i,
                                        const Words& in,
                                        LaneValue<Block, std::uint32_t>& state) const {
    const RansModelView& model = task.model;
    const std::int64_t rows = task.layout.rows_of(team);
    const std::uint16_t* start = model.start + model.first[i];
    const std::uint16_t* frequency = model.frequency + model.first[i];
    std::uint8_t* symbols = task.symbols + team * kRansLanes * task.stride + model.columns[i];
    block.each(rows, [&](std::int64_t lane) {
      const std::uint32_t slot = state[lane] & (kRansSlots - 1);
      const std::uint32_t symbol = symbol_at(start, model.bits[i], slot);
      state[lane] = frequency[symbol] * (state[lane] >> kRansPrecision) + slot - start[symbol];
      symbols[lane * task.stride] = static_cast<std::uint8_t>(symbol);
    });
    const std::uint32_t wants =
        block.ballot([&](int lane) { return lane < rows && state[lane] < kRansStateMin; });
    block.each(rows, [&](std::int64_t lane) {
      if ((wants >> lane & 1U) == 0) return;
      const std::uint64_t place = in.at + lanes_before(wants, lane);
      state[lane] = state[lane] << 16 | (place < in.end ? in.words[place] : 0U);
    });
    const std::uint64_t next = in.at + count_bits(wants);
    return next < in.end + 1 ? next : in.end + 1;
  }
};

struct RansEncodeBody {
  RansEncodeTask task;

  template <class Block>
  SLUICE_HOST_DEVICE void operator()(const Block& block) const {
    const RansLayout& layout = task.layout;
    const std::int64_t lanes = layout.lanes();
    std::uint16_t* next = task.words + task.words_last[block.index()];  // grows downwards
    LaneValue<Block, std::uint32_t> state;
    block.each(lanes, [&](std::int64_t lane) { state[lane] = kRansStateMin; });
    for (std::int64_t team = layout.first_team(block.index() + 1) - 1;
         team >= layout.first_team(block.index()); --team) {
      for (std::int64_t i = layout.columns - 1; i >= 0; --i) {
        next = step(block, team, i, next, state);
      }
    }
    next -= 2 * lanes;
    block.each(lanes, [&](std::int64_t lane) {
      next[lane] = static_cast<std::uint16_t>(state[lane] >> 16);
      next[lanes + lane] = static_cast<std::uint16_t>(state[lane]);
    });
    block.each(1, [&](std::int64_t) {
      task.words_used[block.index()] =
          static_cast<std::uint64_t>(task.words + task.words_last[block.index()] - next);
    });
  }

 private:
  template <class Block>
  SLUICE_HOST_DEVICE std::uint16_t* step(const Block& block, std::int64_t team, std::int64_t i,
                                         std::uint16_t* next,
                                         LaneValue<Block, std::uint32_t>& state) const {
    const RansModelView& model = task.model;
    const std::int64_t rows = task.layout.rows_of(team);
    const std::uint16_t* start = model.start + model.first[i];
    const std::uint16_t* frequency = model.frequency + model.first[i];
    const std::uint8_t* symbols = task.symbols + team * kRansLanes * task.stride + model.columns[i];
    const std::uint32_t gives = block.ballot([&](int lane) {
      return lane < rows &&
             (state[lane] >> (32 - kRansPrecision)) >= frequency[symbols[lane * task.stride]];
    });
    next -= count_bits(gives);
    block.each(rows, [&](std::int64_t lane) {
      const std::uint8_t symbol = symbols[lane * task.stride];
      if ((gives >> lane & 1U) != 0) {
        next[lanes_before(gives, lane)] = static_cast<std::uint16_t>(state[lane]);
        state[lane] >>= 16;
      }
      const std::uint32_t whole = state[lane] / frequency[symbol];
      state[lane] = (whole << kRansPrecision) + state[lane] % frequency[symbol] + start[symbol];
    });
    return next;
  }
};

}  // namespace sluice::kernels
