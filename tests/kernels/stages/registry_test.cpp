// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/registry.hpp"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace sluice::kernels {
namespace {

// Frames hold these numbers: none may change, ever, and a new stage brings a new one.
const std::map<std::string, int> kIds{
    {"q2c", 1},
    {"snapkv", 2},
    {"h2o", 3},
    {"streaming", 4},
    {"random", 5},
    {"expected_attention", 6},
    {"nacl", 7},
    {"tova", 8},
    {"knorm", 9},
    {"keydiff", 10},
    {"chunkkv", 11},
    {"dsa", 12},
    {"kvzip", 13},
    {"pyramid", 20},
    {"squeeze", 21},
    {"adakv", 22},
    {"protect", 30},
    {"bottleneck", 31},
    {"graded", 32},
    {"graded_tokens", 33},
    {"grade", 34},
    {"qaq_levels", 35},
    {"hadamard", 101},
    {"unrope", 110},
    {"svd", 111},
    {"xkv", 112},
    {"palu", 113},
    {"klt", 114},
    {"prefix", 115},
    {"rtn", 200},
    {"fp8", 201},
    {"mxfp4", 202},
    {"nvfp4", 203},
    {"uniform", 204},
    {"turbo", 205},
    {"delta", 210},
    {"kvquant", 211},
    {"kvtc", 220},
    {"waterfill", 212},
    {"predict", 213},
    {"gear", 300},
    {"rans", 400},
    {"arithmetic", 401},
};

TEST(StageRegistry, IdsAreThoseOfWrittenFrames) {
  std::map<std::string, int> ids;
  for (const StageRow& row : stage_table()) ids[row.name] = row.id;
  EXPECT_EQ(ids, kIds);
  EXPECT_EQ(stage_table().size(), kIds.size());  // no name twice
}

TEST(StageRegistry, IdsTellTheRoleAndAreNoneTwice) {
  std::set<int> ids;
  for (const StageRow& row : stage_table()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.name;
    EXPECT_EQ(row.id / 100, static_cast<int>(row.role)) << row.name;
  }
}

TEST(StageRegistry, StandsInThePipelinesOrderOfRoles) {
  StageRole before = StageRole::kSelect;
  for (const StageRow& row : stage_table()) {
    EXPECT_GE(row.role, before) << row.name;
    before = row.role;
  }
}

TEST(StageRegistry, AStageIsFoundByNameAndById) {
  for (const StageRow& row : stage_table()) {
    EXPECT_EQ(find_stage(row.name), &row);
    EXPECT_EQ(find_stage(row.id), &row);
  }
  EXPECT_EQ(find_stage("zip"), nullptr);
  EXPECT_EQ(find_stage(std::uint16_t{0}), nullptr);
}

TEST(StageRegistry, EveryStageSaysWhatItIs) {
  const std::array<const char*, 5> folders{"select", "transform", "quantize", "correct", "entropy"};
  for (const StageRow& row : stage_table()) {
    EXPECT_GT(std::string_view(row.summary).size(), 10U) << row.name;
    const std::filesystem::path folder = std::filesystem::path(SLUICE_SOURCE_DIR) /
                                         "kernels/stages" /
                                         folders[static_cast<std::size_t>(row.role)] / row.name;
    EXPECT_TRUE(std::filesystem::exists(folder)) << folder;
    for (const ParameterRow& parameter : row.parameters) {
      EXPECT_LE(parameter.least, parameter.most) << row.name << "." << parameter.name;
    }
  }
}

}  // namespace
}  // namespace sluice::kernels
