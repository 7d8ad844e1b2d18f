// SPDX-License-Identifier: Apache-2.0
// Is a family of levels (best@4, best@8, ...) better than another pipeline at equal bytes?
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

// Five items all say the same by chance in one case of sixteen, six in one of 32.
inline constexpr std::int64_t kItemsMin = 6;

enum class Verdict : std::uint8_t {
  kSurely,    // the whole interval of the difference says so, of kItemsMin items of each task
  kProbably,  // its mean does
  kNo,
};
struct EqualBytes {
  std::string pipeline;  // the other
  std::string task;      // "all": over all tasks, each task counting alike
  std::int64_t items = 0;
  double ratio = 0.0;       // of the other, mean over items
  Interval kl;              // of the other
  Interval family_kl;       // at the other's bytes
  Interval kl_difference;   // the family's less the other's: below 0, the family is better
  Interval nll_difference;  // likewise
  Verdict by_kl = Verdict::kNo;
  Verdict by_nll = Verdict::kNo;
};

// For each item, the family's loss at the other's ratio: between the two levels around it, log KL
// and NLL linear in the logarithm of the ratio. Where the other is larger than every level, the
// largest level stands for the family, in fewer bytes. Items on which the other is smaller than
// every level, or which a level lacks, are left out; a task without items is not in the result.
// By task in the order of first appearance, "all" last.
std::vector<EqualBytes> compare_at_equal_bytes(std::span<const Outcome> outcomes,
                                               std::span<const std::string> levels,
                                               const std::string& pipeline);

// At equal loss: the ratio at which the family's mean KL is `kl`, between those of its levels,
// interpolated likewise. Infinity: even its smallest level
// loses less; 0: even its largest loses more.
double ratio_at_equal_kl(std::span<const PipelineSummary> levels, double kl);

}  // namespace sluice::runtime
