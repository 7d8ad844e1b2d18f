// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/linear_algebra/row_operations.hpp"

#include <algorithm>
#include <cstddef>

// Scalable vectors cannot be kept in arrays, as the running sums here are.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/stages/transform/linear_algebra/row_operations.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kSums = 8;
using Tag = hn::CappedTag<double, kSums>;
constexpr std::size_t kLanes = hn::MaxLanes(Tag());

void add_scaled_rows(double factor, const double* HWY_RESTRICT x, double* HWY_RESTRICT y,
                     std::size_t count) {
  const Tag d;
  const auto scale = hn::Set(d, factor);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + i), hn::Mul(scale, hn::LoadU(d, x + i))), d, y + i);
  }
  for (; i < count; ++i) y[i] = y[i] + factor * x[i];
}

double dot_rows(const double* HWY_RESTRICT x, const double* HWY_RESTRICT y, std::size_t count) {
  const Tag d;
  constexpr std::size_t kVectors = kSums / kLanes;
  hn::Vec<Tag> running[kVectors];
  for (auto& sum : running) sum = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = i + v * kLanes;
      running[v] = hn::Add(running[v], hn::Mul(hn::LoadU(d, x + at), hn::LoadU(d, y + at)));
    }
  }
  double sums[kSums];
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(running[v], d, sums + v * kLanes);
  for (std::size_t j = 0; i < count; ++i, ++j) sums[j] = sums[j] + x[i] * y[i];
  for (std::size_t half = kSums / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) sums[j] = sums[j] + sums[j + half];
  }
  return sums[0];
}

void rotate_two_rows(double cosine, double sine, double* HWY_RESTRICT x, double* HWY_RESTRICT y,
                     std::size_t count) {
  const Tag d;
  const auto c = hn::Set(d, cosine);
  const auto s = hn::Set(d, sine);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const auto a = hn::LoadU(d, x + i);
    const auto b = hn::LoadU(d, y + i);
    hn::StoreU(hn::Sub(hn::Mul(c, a), hn::Mul(s, b)), d, x + i);
    hn::StoreU(hn::Add(hn::Mul(s, a), hn::Mul(c, b)), d, y + i);
  }
  for (; i < count; ++i) {
    const double a = x[i];
    const double b = y[i];
    x[i] = cosine * a - sine * b;
    y[i] = sine * a + cosine * b;
  }
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(add_scaled_rows);
HWY_EXPORT(dot_rows);
HWY_EXPORT(rotate_two_rows);

void add_scaled(double factor, const double* x, double* y, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(add_scaled_rows)(factor, x, y, static_cast<std::size_t>(count));
}

void scale_row(double factor, double* x, std::int64_t count) {
  std::for_each(x, x + count, [factor](double& value) { value *= factor; });
}

double dot(const double* x, const double* y, std::int64_t count) {
  return HWY_DYNAMIC_DISPATCH(dot_rows)(x, y, static_cast<std::size_t>(count));
}

void rotate_rows(double cosine, double sine, double* x, double* y, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(rotate_two_rows)(cosine, sine, x, y, static_cast<std::size_t>(count));
}

}  // namespace sluice::kernels
#endif
