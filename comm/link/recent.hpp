// SPDX-License-Identifier: Apache-2.0
// The last few of a series of points, oldest first; the oldest makes room for the next.
#pragma once

#include <array>
#include <cstddef>

namespace sluice::comm {

template <class Point, std::size_t kMax>
class Recent {
 public:
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  const Point& operator[](std::size_t i) const { return points_[(first_ + i) % kMax]; }
  Point& operator[](std::size_t i) { return points_[(first_ + i) % kMax]; }
  const Point& back() const { return (*this)[count_ - 1]; }
  Point& back() { return (*this)[count_ - 1]; }

  void push(const Point& point) {
    if (count_ == kMax) {
      first_ = (first_ + 1) % kMax;
      --count_;
    }
    ++count_;
    back() = point;
  }
  void clear() { count_ = 0; }

  // The newest point for which `is_enough` holds, or the oldest there is. Not when empty.
  template <class Predicate>
  const Point& newest(Predicate is_enough) const {
    for (std::size_t i = count_; i-- > 1;) {
      if (is_enough((*this)[i])) return (*this)[i];
    }
    return (*this)[0];
  }

 private:
  std::array<Point, kMax> points_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace sluice::comm
