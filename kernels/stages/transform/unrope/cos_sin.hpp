// SPDX-License-Identifier: Apache-2.0
// Cosine and sine in FP64 by +, - and * alone, so with the same bits on every machine: libm's are
// not. Within 1e-13 of the true values for |angle| < 2^31.
#pragma once

#include "kernels/core/dtype.hpp"

namespace sluice::kernels {

struct CosSin {
  double cosine;
  double sine;
};

// Numbers that the scalar and the vector code share.
struct CosSinConstants {
  // pi/2 in three parts. The first two have 21 bits: their product with an integer of 32 is exact
  // (Cody and Waite, Software Manual for the Elementary Functions, chapter 8).
  static constexpr double kHalfPiFirst = 0x1.921fb00000000p+0;
  static constexpr double kHalfPiSecond = 0x1.5110b00000000p-22;
  static constexpr double kHalfPiThird = 0x1.18469898cc517p-44;
  static constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  // Added and taken away, it rounds a number below 2^51 to the nearest integer, ties to even.
  static constexpr double kRound = 0x1.8p+52;
  // Beyond, an angle has no bits left behind the point worth keeping: it counts as 0.
  static constexpr double kAngleMax = 0x1p+40;
  // 1 / n! with alternating signs: series cut where pi/4 leaves less than 2e-14.
  static constexpr double kSine[] = {1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0,
                                     -1.0 / 5040.0,      1.0 / 120.0,       -1.0 / 6.0};
  static constexpr double kCosine[] = {-1.0 / 87178291200.0,
                                       1.0 / 479001600.0,
                                       -1.0 / 3628800.0,
                                       1.0 / 40320.0,
                                       -1.0 / 720.0,
                                       1.0 / 24.0,
                                       -0.5};
};

SLUICE_HOST_DEVICE inline CosSin cos_sin(double angle) {
  using C = CosSinConstants;
  const double x = angle <= C::kAngleMax && angle >= -C::kAngleMax ? angle : 0.0;
  const double turns = (x * C::kTwoOverPi + C::kRound) - C::kRound;
  const double r =
      ((x - turns * C::kHalfPiFirst) - turns * C::kHalfPiSecond) - turns * C::kHalfPiThird;
  const double square = r * r;
  // By hand: a loop over a static array would need it in device memory.
  double s = C::kSine[0] * square + C::kSine[1];
  s = s * square + C::kSine[2];
  s = s * square + C::kSine[3];
  s = s * square + C::kSine[4];
  s = s * square + C::kSine[5];
  const double sine = r + (s * square) * r;
  double c = C::kCosine[0] * square + C::kCosine[1];
  c = c * square + C::kCosine[2];
  c = c * square + C::kCosine[3];
  c = c * square + C::kCosine[4];
  c = c * square + C::kCosine[5];
  c = c * square + C::kCosine[6];
  const double cosine = c * square + 1.0;
  // turns mod 4: n/4 has the fraction 0, 1/4, 1/2 or 3/4, so this rounds down.
  const double fours = (turns * 0.25 - 0.375 + C::kRound) - C::kRound;
  const double quadrant = turns - 4.0 * fours;
  if (quadrant == 0.0) return {cosine, sine};
  if (quadrant == 1.0) return {-sine, cosine};
  if (quadrant == 2.0) return {-cosine, -sine};
  return {sine, -cosine};
}

}  // namespace sluice::kernels
