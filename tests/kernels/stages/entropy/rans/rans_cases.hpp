// SPDX-License-Identifier: Apache-2.0
// Planes and models for the tests of the rANS coder itself.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/symbol_counts.hpp"
#include "tests/kernels/stages/entropy/test_symbols.hpp"

namespace sluice::kernels {

// Every instruction set this machine has is tried, the slow ones too.
template <class Body>
void for_each_target(Body body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

struct RansCase {
  // A table per column, with a frequency for every symbol if `is_complete`.
  RansCase(std::string case_name, TestPlane symbols, bool is_complete)
      : name(std::move(case_name)),
        plane(std::move(symbols)),
        groups(SymbolGroups::of(plane.shape).value()) {
    const SymbolCounts counts = count_symbols(groups, plane.rows, plane.symbols.data());
    model.precision = kRansPrecision;
    for (std::size_t group = 0; group < groups.group_bits.size(); ++group) {
      const std::uint8_t bits = groups.group_bits[group];
      std::vector<std::uint64_t> weights(std::size_t{1} << bits);
      for (std::size_t s = 0; s < weights.size(); ++s) {
        weights[s] = counts.counts[counts.first[group] + s] + (is_complete ? 1 : 0);
      }
      model.add_table(bits, weights);
      model.table_of_group.push_back(static_cast<std::uint32_t>(group));
    }
  }
  RansProblem problem() const { return {groups, model, plane.rows}; }

  std::string name;
  TestPlane plane;
  SymbolGroups groups;
  SymbolModel model;
};

inline std::vector<RansCase> rans_cases() {
  std::vector<RansCase> cases;
  std::vector<std::uint8_t> mixed;
  for (int i = 0; i < 70; ++i) mixed.push_back(static_cast<std::uint8_t>(i * 5 % 9));
  cases.emplace_back("one symbol", gaussian_plane(1, {4}, 1), true);
  cases.emplace_back("a few rows", gaussian_plane(5, same_bits(192, 4), 2), false);
  cases.emplace_back("a cut team", gaussian_plane(45, same_bits(80, 3), 3), true);
  cases.emplace_back("mixed bits", gaussian_plane(97, mixed, 4), false);
  cases.emplace_back("wide", gaussian_plane(64, same_bits(17, 8), 5), true);
  cases.emplace_back("two blocks", gaussian_plane(700, same_bits(128, 4), 6), false);
  cases.emplace_back("seven blocks and a cut", gaussian_plane(3001, same_bits(144, 4), 7), true);
  TestPlane equal = gaussian_plane(66, same_bits(20, 4), 8);
  for (auto& symbol : equal.symbols) symbol = 15;
  cases.emplace_back("all the same", equal, false);
  // Frequencies of 1, of all but one, and in between, with the rare symbols coming often.
  TestPlane adverse = gaussian_plane(320, same_bits(33, 4), 9);
  cases.emplace_back("against the model", adverse, true);
  for (auto& symbol : cases.back().plane.symbols)
    symbol = static_cast<std::uint8_t>(15 - symbol / 2);
  return cases;
}

}  // namespace sluice::kernels
