// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/draw.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace sluice::kernels {
namespace {

// SplitMix64's output function (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

// ln(x) for normal x > 0, of sums and products only: the series of 2 artanh((m - 1) / (m + 1)) for
// the mantissa m in [0.7, 1.42), where the argument is at most 0.18. Near 1 nothing cancels.
double natural_log(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52) - 1023);
  double m = std::bit_cast<double>((bits & 0xfffffffffffffU) | (std::uint64_t{1023} << 52));
  if (m > 1.4140625) {
    m *= 0.5;
    exponent += 1;
  }
  const double s = (m - 1) / (m + 1);
  double power = s;
  double sum = 0;
  for (int n = 1; n < 26; n += 2) {
    sum += power / n;
    power *= s * s;
  }
  return 2 * sum + exponent * 0.69314718055994530942;
}

}  // namespace

std::uint64_t draw_bits(std::uint64_t seed, std::int64_t layer, std::int64_t head,
                        std::int64_t token) {
  std::uint64_t x = mix(seed);
  x = mix(x ^ static_cast<std::uint64_t>(layer));
  x = mix(x ^ static_cast<std::uint64_t>(head));
  return mix(x ^ static_cast<std::uint64_t>(token));
}

float race(std::uint64_t bits, float weight) {
  if (std::isnan(weight)) return weight;
  if (!(weight > 0)) return std::numeric_limits<float>::lowest();
  const double u = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
  const double value = natural_log(u) / static_cast<double>(weight);
  constexpr double kLeast = std::numeric_limits<float>::lowest();
  return static_cast<float>(value < kLeast ? kLeast : value);
}

}  // namespace sluice::kernels
