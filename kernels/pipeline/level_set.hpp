// SPDX-License-Identifier: Apache-2.0
// Which tokens a frame keeps and at which level, as few bytes: docs/wire_format.md, "level sets".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"

namespace sluice::kernels {

inline constexpr int kDistinctLevelsMax = 10;  // dropped, 1 to 8, exact

// 7 bits per byte, least significant first, the high bit says that more follow.
void put_varint(ByteWriter& out, std::uint64_t value);
Result<std::uint64_t> get_varint(ByteReader& in);

// `level`: each at most kLevelsMax or kLevelExact.
void write_level_set(std::span<const std::uint8_t> level, ByteWriter& out);

// No set of `tokens` tokens is larger.
std::size_t level_set_bytes_max(std::int64_t tokens);

// A set as it stands in a frame. Reading checks all of it, so that walking cannot fail; it is never
// expanded to one value per token before somebody knows that there is room for so many.
class LevelSet {
 public:
  // `in` must outlive the set. kCorrupt: not exactly `tokens` tokens, or an unknown level.
  static Result<LevelSet> read(ByteReader& in, std::int64_t tokens);

  // body(level, first, last) for runs that cover [0, tokens).
  template <class Body>
  void each_run(const Body& body) const {
    std::int64_t first = 0;
    std::size_t at = 0;
    while (first < tokens_) {
      const Run run = next(first, at);
      body(levels_[run.index], first, first + run.tokens);
      first += run.tokens;
    }
  }

  std::int64_t kept() const;
  std::int64_t count(std::uint8_t level) const;
  // Ascending; some may have no token.
  std::span<const std::uint8_t> levels() const { return {levels_.data(), level_count_}; }

 private:
  enum Form : std::uint8_t { kUniform = 0, kPacked = 1, kRuns = 2 };
  struct Run {
    std::size_t index;
    std::int64_t tokens;
  };
  Run next(std::int64_t first, std::size_t& at) const;
  Status check();
  Result<std::size_t> measure_runs() const;

  std::int64_t tokens_ = 0;
  Form form_ = kUniform;
  std::size_t level_count_ = 0;
  std::array<std::uint8_t, kDistinctLevelsMax> levels_{};
  Bytes coded_;
};

}  // namespace sluice::kernels
