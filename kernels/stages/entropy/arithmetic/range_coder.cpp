// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/arithmetic/range_coder.hpp"

#include <algorithm>
#include <utility>

namespace sluice::kernels {
namespace {

// Below it a byte is moved out, so that 2^16 parts of a range are never less than 2^40.
constexpr std::uint64_t kRangeMin = std::uint64_t{1} << 56;
constexpr std::uint32_t kSlotLast = (1U << kRangePrecision) - 1;

}  // namespace

void RangeEncoder::add(std::uint64_t value) {
  low_ += value;
  if (low_ >= value) return;
  // A carry into the bytes that are already out: some byte before is below 255.
  std::size_t place = bytes_.size();
  do {
    --place;
    bytes_[place] = static_cast<std::byte>(std::to_integer<unsigned>(bytes_[place]) + 1);
  } while (bytes_[place] == std::byte{0});
}

void RangeEncoder::shift() {
  bytes_.push_back(static_cast<std::byte>(low_ >> 56));
  low_ <<= 8;
}

void RangeEncoder::put(SymbolSpan symbol) {
  const std::uint64_t unit = range_ >> kRangePrecision;
  add(unit * symbol.start);
  range_ = unit * symbol.frequency;
  for (; range_ < kRangeMin; range_ <<= 8) shift();
}

std::vector<std::byte> RangeEncoder::finish() {
  // Rounding low up to its first 32 bits stays in the range, which is at least 2^56.
  add((std::uint64_t{1} << 32) - 1);
  for (int byte = 0; byte < 4; ++byte) shift();
  return std::move(bytes_);
}

RangeDecoder::RangeDecoder(Bytes bytes) : bytes_(bytes) {
  for (int byte = 0; byte < 8; ++byte) shift();
}

void RangeDecoder::shift() {
  code_ = code_ << 8 | (next_ < bytes_.size() ? std::to_integer<std::uint64_t>(bytes_[next_]) : 0);
  ++next_;
}

std::uint32_t RangeDecoder::slot() {
  unit_ = range_ >> kRangePrecision;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(code_ / unit_, kSlotLast));
}

void RangeDecoder::take(SymbolSpan symbol) {
  code_ -= unit_ * symbol.start;
  range_ = unit_ * symbol.frequency;
  for (; range_ < kRangeMin; range_ <<= 8) shift();
}

}  // namespace sluice::kernels
