// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernels/stages/transform/hadamard/hadamard_device.hpp"

namespace sluice::kernels {
namespace {

std::vector<float> normal_values(std::int64_t count) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

TEST(HadamardHost, TunedCodeGivesTheBitsOfTheBody) {
  for (const std::int64_t size : {1, 2, 4, 8, 16, 32, 64, 128, 256}) {
    for (const std::int64_t blocks : {1, 3, 5}) {
      for (const bool has_after : {false, true}) {
        const std::int64_t columns = size * blocks;
        const auto values = normal_values(3 * columns);
        const auto factors = normal_values(columns);
        std::vector<float> expected(values.size());
        HadamardTask task{.from = values.data(),
                          .from_stride = columns,
                          .to = expected.data(),
                          .to_stride = columns,
                          .rows = 3,
                          .columns = columns,
                          .size = size,
                          .before = factors.data(),
                          .after = has_after ? factors.data() : nullptr};
        run_on_host(3 * blocks, HadamardBody{task});
        for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
          hwy::SetSupportedTargetsForTest(target);
          std::vector<float> actual(values);  // in place
          task.from = task.to = actual.data();
          hadamard_on_host(task);
          EXPECT_EQ(std::memcmp(actual.data(), expected.data(), 4 * values.size()), 0)
              << hwy::TargetName(target) << " size " << size << " blocks " << blocks;
        }
        hwy::SetSupportedTargetsForTest(0);
      }
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
