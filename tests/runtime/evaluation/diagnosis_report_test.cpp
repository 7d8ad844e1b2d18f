// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/diagnosis_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Five layers, the second of which loses 200 times what the others do.
DiagnosedLayers five_layers(int bits) {
  DiagnosedLayers diagnosed;
  LayerLosses& losses = diagnosed.losses;
  losses.bits = bits;
  losses.bits_per_element = bits + 0.5;
  losses.none.assign(8, {0.0, 2.0, 1.0});
  losses.all.assign(8, {0.204, 2.5, 0.75});
  for (int layer = 0; layer < 5; ++layer) {
    const double kl = layer == 1 ? 0.2 : 0.001;
    losses.alone.emplace_back(8, AnswerLoss{kl, 2.0, 1.0});
    losses.but.emplace_back(8, AnswerLoss{0.204 - kl, 2.0, 1.0});
    losses.key.emplace_back(8, AnswerLoss{0.75 * kl, 2.0, 1.0});
    losses.value.emplace_back(8, AnswerLoss{0.25 * kl, 2.0, 1.0});
  }
  diagnosed.diagnosis = diagnose_layers(losses);
  const std::vector<ItemLosses> exact{losses.but[1]};
  decide_fragile(losses, exact, diagnosed.diagnosis);
  return diagnosed;
}

DiagnosisSubject subject() {
  DiagnosisSubject subject;
  subject.model = "tiny";
  subject.fingerprint = "0000000000000001";
  EvaluationItem item;
  item.task = "squad";
  item.id = "one";
  subject.items.assign(8, item);
  return subject;
}

TEST(DiagnosisReport, TheTableHasEveryLayerAndTheVerdict) {
  const std::string table = diagnosis_table(five_layers(4));
  EXPECT_THAT(table, StartsWith("4 bits (4.50 an element with scales), 8 items."));
  EXPECT_THAT(table, HasSubstr("NLL 1.2500 times the full cache's, top-1 75.0 %"));
  EXPECT_THAT(table, HasSubstr("\n    1     200.0  98.0 %"));
  EXPECT_THAT(table, HasSubstr("\n    4     1.000"));
  EXPECT_THAT(table, HasSubstr("150.0       50.0     4.000  98 % (98 to 98)"));
  EXPECT_THAT(table, HasSubstr("fragile layers: layer 1: "));
}

TEST(DiagnosisReport, MarkdownHasARowAndAPictureForEachWidth) {
  const std::vector<DiagnosedLayers> diagnosed{five_layers(4), five_layers(2)};
  const std::string text = diagnosis_markdown(subject(), diagnosed, "pictures");
  EXPECT_THAT(text, StartsWith("### "));
  EXPECT_THAT(text, HasSubstr("\ntiny: 8 items of squad. "));
  EXPECT_THAT(text, HasSubstr("\n| 4 | 204.0 (204.0 to 204.0) | 1.2500 | 75.0 % | 1 (stands out): "
                              "200.0 (98 %; 150.0, 50.0)<br>"));
  EXPECT_THAT(text, HasSubstr("\n| 2 | "));
  EXPECT_THAT(text, HasSubstr("](pictures/diagnosis.svg)"));
  EXPECT_THAT(text, HasSubstr("](pictures/diagnosis-2bit.svg)"));
}

TEST(DiagnosisReport, ThePictureNamesWhatStandsOut) {
  const std::string picture = diagnosis_picture(five_layers(4));
  EXPECT_THAT(picture, HasSubstr("<svg"));
  EXPECT_THAT(picture, HasSubstr("4 bits"));
  EXPECT_THAT(picture, HasSubstr("all but it"));
  EXPECT_THAT(picture, Not(HasSubstr("nan")));
}

TEST(DiagnosisReport, JsonHasWhatWasMeasured) {
  const std::vector<DiagnosedLayers> diagnosed{five_layers(4)};
  const auto report = nlohmann::json::parse(diagnosis_json(subject(), diagnosed));
  EXPECT_EQ(report["model"], "tiny");
  EXPECT_EQ(report["items"].size(), 8U);
  const auto& width = report["widths"][0];
  EXPECT_EQ(width["bits"], 4);
  EXPECT_EQ(width["full"]["nll"], 2.0);
  EXPECT_EQ(width["fragile_layers"], nlohmann::json::array({1}));
  EXPECT_EQ(width["layers"].size(), 5U);
  EXPECT_EQ(width["layers"][1]["alone"]["kl_by_item"].size(), 8U);
  EXPECT_EQ(width["layers"][1]["key_alone"]["kl"], 0.75 * 0.2);
  EXPECT_EQ(width["exact_sets"][0]["layers"], nlohmann::json::array({1}));
}

}  // namespace
}  // namespace sluice::runtime
