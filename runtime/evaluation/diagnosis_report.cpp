// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/diagnosis_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "runtime/report/chart.hpp"

namespace sluice::runtime {
namespace {

using nlohmann::json;

constexpr std::size_t kWorstShown = 5;  // in Markdown

double mean_of(const ItemLosses& losses, double AnswerLoss::*value) {
  double sum = 0.0;
  for (const AnswerLoss& loss : losses) sum += loss.*value;
  return sum / static_cast<double>(std::max<std::size_t>(losses.size(), 1));
}

double mean_kl(const ItemLosses& losses) { return mean_of(losses, &AnswerLoss::kl); }

// Of the gold answers: a ratio of sums.
double nll_relative(const LayerLosses& losses) {
  return mean_of(losses.all, &AnswerLoss::nll) / mean_of(losses.none, &AnswerLoss::nll);
}

// Thousandths of a nat, which most of these are.
std::string millinats(double nats) {
  const double value = 1000.0 * nats;
  return value < 10.0 ? fmt::format("{:.3f}", value) : fmt::format("{:.1f}", value);
}

std::string millinats(const Interval& nats) {
  return fmt::format("{} ({} to {})", millinats(nats.mean), millinats(nats.low),
                     millinats(nats.high));
}

std::string percent(const Interval& share) {
  return fmt::format("{:.0f} % ({:.0f} to {:.0f})", 100.0 * share.mean, 100.0 * share.low,
                     100.0 * share.high);
}

std::vector<LayerDiagnosis> worst_first(const Diagnosis& diagnosis) {
  auto layers = diagnosis.layers;
  std::stable_sort(layers.begin(), layers.end(),
                   [](const auto& a, const auto& b) { return a.alone.mean > b.alone.mean; });
  return layers;
}

std::string sets_text(const Diagnosis& diagnosis) {
  std::string text;
  for (const ExactLayers& set : diagnosis.sets) {
    std::string names;
    for (const std::int32_t layer : set.layers) names += fmt::format(" {}", layer);
    text += fmt::format(
        "exact:{}: {} of the loss won back; worth {:.2f} bits an element ({:.2f} to {:.2f}), "
        "costs {:.2f}\n",
        names, percent(set.won_back), set.worth.mean, set.worth.low, set.worth.high, set.cost);
  }
  return text;
}

json interval_json(const Interval& interval) {
  return {{"mean", interval.mean}, {"low", interval.low}, {"high", interval.high}};
}

json losses_json(const ItemLosses& losses) {
  json kl = json::array();
  for (const AnswerLoss& loss : losses) kl.push_back(loss.kl);
  return {{"kl", mean_kl(losses)},
          {"nll", mean_of(losses, &AnswerLoss::nll)},
          {"top1", mean_of(losses, &AnswerLoss::top1)},
          {"kl_by_item", std::move(kl)}};
}

json width_json(const DiagnosedLayers& diagnosed) {
  const auto& [losses, diagnosis] = diagnosed;
  json layers = json::array();
  for (const LayerDiagnosis& row : diagnosis.layers) {
    const auto layer = static_cast<std::size_t>(row.layer);
    layers.push_back({{"layer", row.layer},
                      {"alone", losses_json(losses.alone[layer])},
                      {"all_but", losses_json(losses.but[layer])},
                      {"key_alone", losses_json(losses.key[layer])},
                      {"value_alone", losses_json(losses.value[layer])},
                      {"alone_kl", interval_json(row.alone)},
                      {"share", row.share},
                      {"deviations", row.deviations},
                      {"stands_out", row.stands_out},
                      {"won_back", interval_json(row.won_back)}});
  }
  json sets = json::array();
  for (const ExactLayers& set : diagnosis.sets) {
    sets.push_back({{"layers", set.layers},
                    {"won_back", interval_json(set.won_back)},
                    {"worth_bits", interval_json(set.worth)},
                    {"cost_bits", set.cost}});
  }
  return {{"bits", diagnosis.bits},
          {"bits_per_element", diagnosis.bits_per_element},
          {"full", losses_json(losses.none)},
          {"all", losses_json(losses.all)},
          {"all_kl", interval_json(diagnosis.all)},
          {"layers", std::move(layers)},
          {"exact_sets", std::move(sets)},
          {"stands_out", diagnosis.standing_out},
          {"fragile_layers", diagnosis.fragile},
          {"reason", diagnosis.reason}};
}

ChartSeries series_of(const char* name, std::span<const ItemLosses> losses) {
  ChartSeries series{name, {}, true};
  for (std::size_t layer = 0; layer < losses.size(); ++layer) {
    const double kl = mean_kl(losses[layer]);
    // Nothing lost has no place on a logarithmic axis.
    if (kl > 0.0) {
      series.points.push_back({static_cast<double>(layer), 1000.0 * kl, {}, {}, {}});
    }
  }
  return series;
}

}  // namespace

std::string diagnosis_table(const DiagnosedLayers& diagnosed) {
  const auto& [losses, diagnosis] = diagnosed;
  std::string table = fmt::format(
      "{} bits ({:.2f} an element with scales), {} items. Every layer quantized: KL {} millinats "
      "a token, NLL {:.4f} times the full cache's, top-1 {:.1f} %.\n"
      "        KL, millinats a token                                       all but it:\n"
      "layer     alone   share  deviations    K alone    V alone    exact  won back\n",
      diagnosis.bits, diagnosis.bits_per_element, diagnosis.items, millinats(diagnosis.all),
      nll_relative(losses), 100.0 * mean_of(losses.all, &AnswerLoss::top1));
  for (const LayerDiagnosis& row : diagnosis.layers) {
    const auto layer = static_cast<std::size_t>(row.layer);
    table += fmt::format("{:>5} {:>9}  {:>4.1f} %  {:>8.1f} {}  {:>9}  {:>9}  {:>8}  {}\n",
                         row.layer, millinats(row.alone.mean), 100.0 * row.share, row.deviations,
                         row.stands_out ? "!" : " ", millinats(mean_kl(losses.key[layer])),
                         millinats(mean_kl(losses.value[layer])),
                         millinats(mean_kl(losses.but[layer])), percent(row.won_back));
  }
  return table + sets_text(diagnosis) + "fragile layers: " + diagnosis.reason + "\n";
}

std::string diagnosis_markdown(const DiagnosisSubject& subject,
                               std::span<const DiagnosedLayers> diagnosed,
                               const std::string& folder) {
  std::set<std::string> tasks;
  for (const EvaluationItem& item : subject.items) tasks.insert(item.task);
  std::string names;
  for (const std::string& task : tasks) names += (names.empty() ? "" : ", ") + task;
  std::string text = fmt::format(
      "### Every layer by itself, and all but it\n\n{}: {} items of {}. Loss is KL from the full "
      "cache along the gold answer, in thousandths of "
      "a nat a token; intervals are 95 %, bootstrap over items.\n\n"
      "| bits | all layers quantized | NLL, relative | top-1 | worst layers alone (share of the "
      "sum; K, V alone) | "
      "fragile |\n|---|---|---|---|---|---|\n",
      subject.model, subject.items.size(), names);
  for (const auto& [losses, diagnosis] : diagnosed) {
    const auto layers = worst_first(diagnosis);
    std::string worst;
    for (std::size_t i = 0; i < std::min(kWorstShown, layers.size()); ++i) {
      const auto layer = static_cast<std::size_t>(layers[i].layer);
      worst +=
          fmt::format("{}{}{}: {} ({:.0f} %; {}, {})", i == 0 ? "" : "<br>", layer,
                      layers[i].stands_out ? " (stands out)" : "", millinats(layers[i].alone.mean),
                      100.0 * layers[i].share, millinats(mean_kl(losses.key[layer])),
                      millinats(mean_kl(losses.value[layer])));
    }
    text += fmt::format("| {} | {} | {:.4f} | {:.1f} % | {} | {} |\n", diagnosis.bits,
                        millinats(diagnosis.all), nll_relative(losses),
                        100.0 * mean_of(losses.all, &AnswerLoss::top1), worst, diagnosis.reason);
  }
  for (std::size_t i = 0; i < diagnosed.size(); ++i) {
    text += fmt::format("\n![Loss by layer at {} bits]({}/{})\n", diagnosed[i].diagnosis.bits,
                        folder, diagnosis_picture_name(diagnosed, i));
  }
  return text;
}

std::string diagnosis_picture_name(std::span<const DiagnosedLayers> diagnosed, std::size_t index) {
  if (index == 0) return "diagnosis.svg";
  return fmt::format("diagnosis-{}bit.svg", diagnosed[index].diagnosis.bits);
}

std::string diagnosis_picture(const DiagnosedLayers& diagnosed) {
  const auto& [losses, diagnosis] = diagnosed;
  XyChart chart;
  chart.title = fmt::format("Loss by quantized layer, {} bits", diagnosis.bits);
  chart.x = {"layer", ChartScale::kLinear};
  chart.y = {"KL from the full cache, millinats a token", ChartScale::kLog};
  ChartSeries alone = series_of("it alone", losses.alone);
  for (ChartPoint& point : alone.points) {
    const auto& row = diagnosis.layers[static_cast<std::size_t>(point.x)];
    if (row.alone.low > 0.0) {
      point.low = 1000.0 * row.alone.low;
      point.high = 1000.0 * row.alone.high;
    }
    if (row.stands_out) point.label = std::to_string(row.layer);
  }
  chart.series = {std::move(alone), series_of("its K alone", losses.key),
                  series_of("its V alone", losses.value), series_of("all but it", losses.but)};
  return xy_chart_svg(chart);
}

std::string diagnosis_json(const DiagnosisSubject& subject,
                           std::span<const DiagnosedLayers> diagnosed) {
  json items = json::array();
  for (const EvaluationItem& item : subject.items) {
    items.push_back({{"task", item.task}, {"id", item.id}});
  }
  json widths = json::array();
  for (const DiagnosedLayers& one : diagnosed) widths.push_back(width_json(one));
  const json report{{"model", subject.model},
                    {"fingerprint", subject.fingerprint},
                    {"items", std::move(items)},
                    {"widths", std::move(widths)}};
  return report.dump(1) + "\n";
}

}  // namespace sluice::runtime
