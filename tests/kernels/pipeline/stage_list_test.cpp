// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/stage_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/stages/registry.hpp"
#include "tests/support/stage_pipelines.hpp"

namespace sluice::kernels {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

PipelineSpec spec_of(std::initializer_list<StageSpec> stages) { return {"test", "", stages}; }

TEST(StageList, KnowsItsStagesByRole) {
  const auto list = StageList::from_spec(spec_of({{"unrope", {}}, {"rtn", {{"bits", 4.0}}}}));
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_EQ(list->transforms.size(), 1U);
  EXPECT_NE(list->quantize, nullptr);
  EXPECT_EQ(list->correct, nullptr);
  EXPECT_TRUE(list->is_lossy());
  EXPECT_FALSE(list->uses_profile());
  const auto raw = StageList::from_spec(spec_of({}));
  ASSERT_TRUE(raw);
  EXPECT_FALSE(raw->is_lossy());
}

TEST(StageList, AWrongPairIsNamed) {
  const auto order = StageList::from_spec(spec_of({{"rtn", {}}, {"unrope", {}}}));
  ASSERT_FALSE(order);
  EXPECT_EQ(order.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(order.error().message, AllOf(HasSubstr("'unrope' (transform)"),
                                           HasSubstr("'rtn' (quantize)"), HasSubstr("order")));
  const auto twice = StageList::from_spec(spec_of({{"rtn", {}}, {"fp8", {}}}));
  ASSERT_FALSE(twice);
  EXPECT_THAT(twice.error().message, AllOf(HasSubstr("'fp8'"), HasSubstr("one quantize stage")));
}

TEST(StageList, WhatNeedsAQuantizerSaysSo) {
  for (const StageRow& row : stage_table()) {
    if (row.role <= StageRole::kQuantize) continue;
    const auto alone = StageList::from_spec(spec_of({{row.name, {}}}));
    ASSERT_FALSE(alone) << row.name;
    EXPECT_THAT(alone.error().message, AllOf(HasSubstr(row.name), HasSubstr("quantize")));
    const auto behind = StageList::from_spec(spec_of({{"unrope", {}}, {row.name, {}}}));
    ASSERT_FALSE(behind) << row.name;
    EXPECT_THAT(behind.error().message, HasSubstr("'unrope' (transform)"));
  }
}

TEST(StageList, WhatWorksOnHalvesApartDoesNotFitAJointPlane) {
  for (const StageRow& row : stage_table()) {
    if (row.role == StageRole::kQuantize) continue;
    const bool is_before = row.role < StageRole::kQuantize;
    const StageSpec stage{row.name, tests::stage_parameters(row.name)};
    const StageSpec predict{"predict", {}};
    const auto list =
        StageList::from_spec(is_before ? spec_of({stage, predict}) : spec_of({predict, stage}));
    const bool is_apart =
        (row.role == StageRole::kTransform && row.name != std::string("unrope")) ||
        row.role == StageRole::kCorrect;
    if (!list) {
      EXPECT_TRUE(is_apart) << row.name << ": " << list.error().message;
      EXPECT_EQ(list.error().code, ErrorCode::kInvalidArgument);
      EXPECT_THAT(list.error().message,
                  AllOf(HasSubstr(row.name), HasSubstr("on K and on V apart")));
      continue;
    }
    EXPECT_FALSE(is_apart) << row.name;
    ASSERT_EQ(list->coded_halves().size(), 1U);
    EXPECT_EQ(list->coded_halves().front(), KvHalf::kBoth);
  }
}

TEST(StageList, UnknownNamesAndParametersAreNamed) {
  const auto name = StageList::from_spec(spec_of({{"nonesuch", {}}}));
  ASSERT_FALSE(name);
  EXPECT_THAT(name.error().message, HasSubstr("nonesuch"));
  const auto parameter = StageList::from_spec(spec_of({{"rtn", {{"bats", 4.0}}}}));
  ASSERT_FALSE(parameter);
  EXPECT_THAT(parameter.error().message, HasSubstr("bats"));
}

TEST(StageList, RecordsComeBackWithTheirParameters) {
  const auto list = StageList::from_spec(spec_of({{"unrope", {}}, {"rtn", {{"bits", 3.0}}}}));
  ByteWriter writer;
  list->write(writer);
  ByteReader reader(writer.bytes());
  const auto read = StageList::read(reader);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(reader.remaining(), 0U);
  ASSERT_EQ(read->entries.size(), 2U);
  EXPECT_STREQ(read->entries[1].row->name, "rtn");
  EXPECT_EQ(read->entries[1].parameters.list("bits")[0], 3.0F);
  for (std::size_t size = 0; size < writer.bytes().size(); ++size) {
    ByteReader cut(Bytes(writer.bytes()).first(size));
    EXPECT_FALSE(StageList::read(cut)) << size;
  }
}

TEST(StageList, UnknownStagesAndVersionsAreUnsupported) {
  const auto read = [](std::uint16_t id, std::uint8_t version) {
    ByteWriter writer;
    writer.put(std::uint8_t{1});
    writer.put(id);
    writer.put(version);
    writer.put(std::uint8_t{0});
    ByteReader reader(writer.bytes());
    return StageList::read(reader);
  };
  const StageRow& rtn = *find_stage("rtn");
  EXPECT_TRUE(read(rtn.id, rtn.version));
  const auto version = read(rtn.id, 200);
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(version.error().message, AllOf(HasSubstr("rtn"), HasSubstr("200")));
  const auto unknown = read(9999, 1);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(unknown.error().message, HasSubstr("9999"));
}

}  // namespace
}  // namespace sluice::kernels
