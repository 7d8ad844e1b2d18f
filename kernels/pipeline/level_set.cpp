// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/level_set.hpp"

#include <algorithm>

#include "kernels/core/check.hpp"
#include "kernels/stages/plane.hpp"

namespace sluice::kernels {
namespace {

constexpr std::uint64_t kTokensMax = 0x7fffffff;  // positions are int32

// Of an index below `levels`; divides 8.
int bits_of(std::size_t levels) { return levels <= 2 ? 1 : levels <= 4 ? 2 : 4; }

std::size_t packed_set_bytes(std::int64_t tokens, int bits) {
  return (static_cast<std::size_t>(tokens) * static_cast<std::size_t>(bits) + 7) / 8;
}

std::size_t varint_bytes(std::uint64_t value) {
  std::size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

// Past the end, or of more than 64 bits: 0 bytes.
struct Varint {
  std::uint64_t value = 0;
  std::size_t bytes = 0;
};
Varint varint_at(Bytes in, std::size_t at) {
  Varint read;
  for (std::size_t i = 0; at + i < in.size() && i < 10; ++i) {
    const auto byte = std::to_integer<std::uint64_t>(in[at + i]);
    if (i == 9 && byte > 1) break;
    read.value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      read.bytes = i + 1;
      return read;
    }
  }
  return read;
}

// body(level, tokens) for each maximal run.
template <class Body>
void each_equal_run(std::span<const std::uint8_t> level, const Body& body) {
  for (std::size_t first = 0; first < level.size();) {
    std::size_t last = first + 1;
    while (last < level.size() && level[last] == level[first]) ++last;
    body(level[first], last - first);
    first = last;
  }
}

Error corrupt(const char* what) {
  return make_error(ErrorCode::kCorrupt, std::string("the frame's level sets ") + what);
}

}  // namespace

void put_varint(ByteWriter& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.put(static_cast<std::uint8_t>(value | 0x80));
  out.put(static_cast<std::uint8_t>(value));
}

Result<std::uint64_t> get_varint(ByteReader& in) {
  const Varint read = varint_at(in.rest(), 0);
  if (read.bytes == 0) return make_error(ErrorCode::kCorrupt, "the frame ends within a number");
  SLUICE_TRY(in.get_bytes(read.bytes));
  return read.value;
}

void write_level_set(std::span<const std::uint8_t> level, ByteWriter& out) {
  std::array<bool, 256> is_there{};
  std::array<std::uint64_t, 256> index{};
  std::size_t runs_bytes = 0;
  for (const std::uint8_t value : level) is_there[value] = true;
  if (level.empty()) is_there[1] = true;
  const auto count = static_cast<std::size_t>(std::count(is_there.begin(), is_there.end(), true));
  SLUICE_CHECK(count <= kDistinctLevelsMax, "more levels than there are");
  const int bits = bits_of(count);
  const auto write_table = [&](std::uint8_t form) {
    out.put(static_cast<std::uint8_t>(form | count << 2));
    for (std::size_t value = 0; value < 256; ++value) {
      if (is_there[value]) out.put(static_cast<std::uint8_t>(value));
    }
  };
  if (count == 1) return write_table(0);
  for (std::size_t value = 0, next = 0; value < 256; ++value) {
    if (is_there[value]) index[value] = next++;
  }
  each_equal_run(level, [&](std::uint8_t value, std::uint64_t tokens) {
    runs_bytes += varint_bytes(tokens << bits | index[value]);
  });
  const auto tokens = static_cast<std::int64_t>(level.size());
  if (runs_bytes < packed_set_bytes(tokens, bits)) {
    write_table(2);
    each_equal_run(level, [&](std::uint8_t value, std::uint64_t run) {
      put_varint(out, run << bits | index[value]);
    });
    return;
  }
  write_table(1);
  const std::size_t together = static_cast<std::size_t>(8 / bits);
  for (std::size_t first = 0; first < level.size(); first += together) {
    std::uint64_t byte = 0;
    for (std::size_t i = first; i < std::min(first + together, level.size()); ++i) {
      byte |= index[level[i]] << (i - first) * static_cast<std::size_t>(bits);
    }
    out.put(static_cast<std::uint8_t>(byte));
  }
}

std::size_t level_set_bytes_max(std::int64_t tokens) {
  return 1 + kDistinctLevelsMax + packed_set_bytes(tokens, 4);
}

Result<LevelSet> LevelSet::read(ByteReader& in, std::int64_t tokens) {
  LevelSet set;
  set.tokens_ = tokens;
  const auto head = SLUICE_TRY(in.get<std::uint8_t>());
  set.level_count_ = head >> 2;
  if ((head & 3) > kRuns) return corrupt("have an unknown form");
  set.form_ = static_cast<Form>(head & 3);
  if (set.level_count_ < 1 || set.level_count_ > kDistinctLevelsMax ||
      (set.form_ == kUniform) != (set.level_count_ == 1)) {
    return corrupt("have an impossible number of levels");
  }
  for (std::size_t i = 0; i < set.level_count_; ++i) {
    set.levels_[i] = SLUICE_TRY(in.get<std::uint8_t>());
    const bool is_known = set.levels_[i] <= kLevelsMax || set.levels_[i] == kLevelExact;
    if (!is_known || (i > 0 && set.levels_[i] <= set.levels_[i - 1])) {
      return corrupt("name a level that does not exist");
    }
  }
  set.coded_ = in.rest();
  std::size_t bytes = 0;
  if (set.form_ == kPacked) {
    bytes = packed_set_bytes(tokens, bits_of(set.level_count_));
  } else if (set.form_ == kRuns) {
    bytes = SLUICE_TRY(set.measure_runs());
  }
  set.coded_ = SLUICE_TRY(in.get_bytes(bytes));
  SLUICE_TRY(set.check());
  return set;
}

Result<std::size_t> LevelSet::measure_runs() const {
  const int bits = bits_of(level_count_);
  std::size_t at = 0;
  std::uint64_t left = static_cast<std::uint64_t>(tokens_);
  while (left > 0) {
    const Varint read = varint_at(coded_, at);
    const std::uint64_t tokens = read.value >> bits;
    if (read.bytes == 0 || tokens == 0 || tokens > left || tokens > kTokensMax) {
      return corrupt("do not cover the frame's tokens");
    }
    if ((read.value & ((1U << bits) - 1)) >= level_count_) return corrupt("name an unknown level");
    left -= tokens;
    at += read.bytes;
  }
  return at;
}

// What measure_runs() has not checked.
Status LevelSet::check() {
  if (form_ != kPacked) return {};
  std::int64_t first = 0;
  std::size_t at = 0;
  while (first < tokens_) {
    const Run run = next(first, at);
    if (run.index >= level_count_) return corrupt("name an unknown level");
    first += run.tokens;
  }
  return {};
}

LevelSet::Run LevelSet::next(std::int64_t first, std::size_t& at) const {
  if (form_ == kUniform) return {0, tokens_};
  const int bits = bits_of(level_count_);
  const std::uint64_t mask = (1U << bits) - 1;
  if (form_ == kRuns) {
    const Varint read = varint_at(coded_, at);
    at += read.bytes;
    return {static_cast<std::size_t>(read.value & mask),
            static_cast<std::int64_t>(read.value >> bits)};
  }
  const auto index_at = [&](std::int64_t token) {
    const std::size_t bit = static_cast<std::size_t>(token) * static_cast<std::size_t>(bits);
    return (std::to_integer<std::uint64_t>(coded_[bit / 8]) >> bit % 8) & mask;
  };
  const std::uint64_t index = index_at(first);
  std::int64_t last = first + 1;
  while (last < tokens_ && index_at(last) == index) ++last;
  return {static_cast<std::size_t>(index), last - first};
}

std::int64_t LevelSet::count(std::uint8_t level) const {
  std::int64_t tokens = 0;
  each_run([&](std::uint8_t of, std::int64_t first, std::int64_t last) {
    if (of == level) tokens += last - first;
  });
  return tokens;
}

std::int64_t LevelSet::kept() const { return tokens_ - count(kLevelDropped); }

}  // namespace sluice::kernels
