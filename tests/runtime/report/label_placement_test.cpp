// SPDX-License-Identifier: Apache-2.0
#include "runtime/report/label_placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::runtime {
namespace {

bool do_overlap(const SvgBox& a, const SvgBox& b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

constexpr SvgBox kFrame{0, 0, 400, 300};

TEST(LabelPlacement, ALonelyLabelStandsRightOfItsPoint) {
  const auto placed = place_labels({{{100, 100}, 40, 10}}, {{95, 95, 10, 10}}, kFrame);
  ASSERT_EQ(placed.size(), 1U);
  EXPECT_GE(placed[0].box.x, 105.0);
  EXPECT_LT(placed[0].box.x, 112.0);
  EXPECT_FALSE(placed[0].is_far);
}

TEST(LabelPlacement, LabelsOfACrowdDoNotOverlap) {
  std::vector<LabelRequest> requests;
  std::vector<SvgBox> marks;
  for (int i = 0; i < 9; ++i) {
    const SvgPoint at{200.0 + 6 * (i % 3), 150.0 + 6 * (i / 3)};
    requests.push_back({at, 50, 11});
    marks.push_back({at.x - 5, at.y - 5, 10, 10});
  }
  const auto placed = place_labels(requests, marks, kFrame);
  ASSERT_EQ(placed.size(), 9U);
  for (std::size_t a = 0; a < placed.size(); ++a) {
    for (std::size_t b = a + 1; b < placed.size(); ++b) {
      EXPECT_FALSE(do_overlap(placed[a].box, placed[b].box)) << a << " and " << b;
    }
    for (const SvgBox& mark : marks) EXPECT_FALSE(do_overlap(placed[a].box, mark)) << a;
  }
  EXPECT_TRUE(std::any_of(placed.begin(), placed.end(), [](auto& label) { return label.is_far; }));
}

TEST(LabelPlacement, ALabelStaysInTheFrame) {
  const auto placed = place_labels({{{398, 2}, 60, 11}, {{2, 298}, 60, 11}}, {}, kFrame);
  for (const PlacedLabel& label : placed) {
    EXPECT_GE(label.box.x, 0.0);
    EXPECT_GE(label.box.y, 0.0);
    EXPECT_LE(label.box.x + label.box.width, 400.0);
    EXPECT_LE(label.box.y + label.box.height, 300.0);
  }
}

}  // namespace
}  // namespace sluice::runtime
