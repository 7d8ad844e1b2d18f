// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/outcome_key.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "kernels/stages/profile.hpp"
#include "runtime/config/pipeline_config.hpp"

namespace sluice::runtime {
namespace {

EvaluationItem item() {
  EvaluationItem made;
  made.task.assign("squad");
  made.id.assign(1, '1');
  made.prompt.assign("p q");
  made.question.assign(1, 'q');
  made.answers = {"a"};
  return made;
}

kernels::PipelineSpec spec(const std::string& stages, const std::string& name = "p") {
  return parse_pipeline("name: " + name + "\nsummary: s\nstages: [" + stages + "]\n", "p").value();
}

TEST(OutcomeKey, IsOfAllThatIsAskedAndOfTheModel) {
  std::set<std::string> keys;
  const kernels::PipelineSpec raw = spec("");
  keys.insert(outcome_key(1, item(), raw, nullptr));
  keys.insert(outcome_key(2, item(), raw, nullptr));
  keys.insert(full_cache_key(1, item()));
  const std::function<void(EvaluationItem&)> changes[] = {
      [](EvaluationItem& i) { i.task.assign("triviaqa"); },
      [](EvaluationItem& i) { i.prompt.assign("o q"); },
      [](EvaluationItem& i) { i.question.clear(); },
      [](EvaluationItem& i) { i.answer_start.assign("It"); },
      [](EvaluationItem& i) { i.answers = {"b"}; },
      [](EvaluationItem& i) {
        i.answers = {"a", "b"};
      },
      [](EvaluationItem& i) {
        i.choices = {"a", "b"};
      },
  };
  for (const auto& change : changes) {
    EvaluationItem changed = item();
    change(changed);
    keys.insert(outcome_key(1, changed, raw, nullptr));
  }
  EXPECT_EQ(keys.size(), 3 + std::size(changes));
}

TEST(OutcomeKey, IsOfStagesAndParametersNotOfNames) {
  const auto key = [](const kernels::PipelineSpec& of) {
    return outcome_key(1, item(), of, nullptr);
  };
  const std::string four = key(spec("rtn: { bits: 4 }"));
  EXPECT_NE(four, key(spec("rtn: { bits: 3 }")));
  EXPECT_NE(four, key(spec("")));
  EXPECT_EQ(four, key(spec("rtn: { bits: 4 }", "other")));
  EvaluationItem renamed = item();
  renamed.id.push_back('2');
  EXPECT_EQ(four, outcome_key(1, renamed, spec("rtn: { bits: 4 }"), nullptr));
}

// What another pipeline learns anew is nothing to this one.
TEST(OutcomeKey, IsOfWhatThePipelineReadsOfTheProfile) {
  const kernels::PipelineSpec mine = spec("uniform: { step: 0.5 }, rans", "mine@4");
  const auto hash_with = [&](const char* name, float value, const kernels::PipelineSpec& of) {
    kernels::Profile profile;
    profile.put(name, DType::kF32, {1}, std::as_bytes(std::span(&value, 1)));
    return measured_hash(of, &profile);
  };
  const auto reads = [&](const char* name, const kernels::PipelineSpec& of) {
    return hash_with(name, 1.0F, of) != hash_with(name, 2.0F, of);
  };
  EXPECT_TRUE(reads("rans.mine.freq.level1.k.0", mine));
  EXPECT_TRUE(reads("klt.mine.basis.k.0", mine));
  EXPECT_TRUE(reads("uniform.step.k.0", mine));
  EXPECT_FALSE(reads("rans.yours.freq.level1.k.0", mine));
  EXPECT_FALSE(reads("klt.yours.basis.k.0", mine));
  EXPECT_FALSE(reads("fragile_layers", mine));
  EXPECT_TRUE(reads("fragile_layers", spec("bottleneck, rtn: { bits: 4 }")));
}

}  // namespace
}  // namespace sluice::runtime
