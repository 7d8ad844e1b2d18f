// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/diagnosis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace sluice::runtime {
namespace {

constexpr double kExactBits = 16.0;  // BF16
// Below any loss that counts: keeps the logarithm of none finite.
constexpr double kLeastLoss = 1e-12;

std::vector<double> kl_of(const ItemLosses& losses) {
  std::vector<double> values;
  values.reserve(losses.size());
  for (const AnswerLoss& loss : losses) values.push_back(loss.kl);
  return values;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

// How far each is above the median in robust standard deviations.
std::vector<double> deviations_of(const std::vector<double>& values) {
  const double middle = median(values);
  std::vector<double> apart;
  for (const double value : values) apart.push_back(std::abs(value - middle));
  constexpr double kToDeviation = 1.4826;  // of a normal distribution
  const double scale = std::max(kToDeviation * median(apart), 1e-6);
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back((value - middle) / scale);
  return deviations;
}

// What is left of `before`, as a ratio of sums. 1 where there was nothing to lose.
Interval left_of(const ItemLosses& before, const ItemLosses& after) {
  const auto denominators = kl_of(before);
  if (std::accumulate(denominators.begin(), denominators.end(), 0.0) <= kLeastLoss) {
    return {1.0, 1.0, 1.0};
  }
  return bootstrap_ratio(kl_of(after), denominators);
}

Interval won_back_of(const Interval& left) {
  return {1.0 - left.mean, 1.0 - left.high, 1.0 - left.low};
}

double bits_worth(double left) { return -std::log2(std::max(left, kLeastLoss)) / 2.0; }

std::string listed(std::span<const std::int32_t> layers) {
  std::string text;
  for (const std::int32_t layer : layers) {
    text += (text.empty() ? "" : ", ") + std::to_string(layer);
  }
  return (layers.size() == 1 ? "layer " : "layers ") + text;
}

}  // namespace

Diagnosis diagnose_layers(const LayerLosses& losses) {
  Diagnosis diagnosis;
  diagnosis.bits = losses.bits;
  diagnosis.bits_per_element = losses.bits_per_element;
  diagnosis.items = losses.all.size();
  if (losses.all.empty() || losses.alone.empty()) return diagnosis;
  diagnosis.all = bootstrap_mean(kl_of(losses.all));
  double sum = 0.0;
  std::vector<double> logarithms;
  for (std::size_t i = 0; i < losses.alone.size(); ++i) {
    LayerDiagnosis layer;
    layer.layer = static_cast<std::int32_t>(i);
    layer.alone = bootstrap_mean(kl_of(losses.alone[i]));
    layer.won_back = won_back_of(left_of(losses.all, losses.but[i]));
    sum += layer.alone.mean;
    logarithms.push_back(std::log(std::max(layer.alone.mean, kLeastLoss)));
    diagnosis.layers.push_back(layer);
  }
  const std::vector<double> deviations = deviations_of(logarithms);
  for (LayerDiagnosis& layer : diagnosis.layers) {
    layer.share = layer.alone.mean / std::max(sum, kLeastLoss);
    layer.deviations = deviations[static_cast<std::size_t>(layer.layer)];
    layer.stands_out = layer.deviations >= kStandsOutDeviations && layer.alone.mean > kLeastLoss;
    if (layer.stands_out) diagnosis.standing_out.push_back(layer.layer);
  }
  const auto loss = [&](std::int32_t layer) {
    return diagnosis.layers[static_cast<std::size_t>(layer)].alone.mean;
  };
  std::stable_sort(diagnosis.standing_out.begin(), diagnosis.standing_out.end(),
                   [&](std::int32_t a, std::int32_t b) { return loss(a) > loss(b); });
  if (diagnosis.standing_out.size() > kStandingOutMax) {
    diagnosis.standing_out.resize(kStandingOutMax);
  }
  return diagnosis;
}

void decide_fragile(const LayerLosses& losses, std::span<const ItemLosses> exact,
                    Diagnosis& diagnosis) {
  diagnosis.sets.clear();
  diagnosis.fragile.clear();
  const auto layers = static_cast<double>(diagnosis.layers.size());
  double best_margin = 0.0;
  const ExactLayers* best = nullptr;
  diagnosis.sets.reserve(exact.size());  // `best` points into it
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const auto begin = diagnosis.standing_out.begin();
    const Interval left = left_of(losses.all, exact[i]);
    ExactLayers set{{begin, begin + static_cast<std::ptrdiff_t>(i) + 1},
                    won_back_of(left),
                    {bits_worth(left.mean), bits_worth(left.high), bits_worth(left.low)},
                    static_cast<double>(i + 1) * (kExactBits - losses.bits_per_element) / layers};
    diagnosis.sets.push_back(std::move(set));
    const double margin = diagnosis.sets.back().worth.low - diagnosis.sets.back().cost;
    if (margin > best_margin) {
      best_margin = margin;
      best = &diagnosis.sets.back();
    }
  }
  if (diagnosis.standing_out.empty()) {
    diagnosis.reason =
        fmt::format("none: no layer's loss is {} robust deviations above the median layer's",
                    kStandsOutDeviations);
  } else if (diagnosis.items < kDiagnosisItemsMin) {
    diagnosis.reason =
        fmt::format("none: {} items are too few to be sure of {}; {} are needed", diagnosis.items,
                    listed(diagnosis.standing_out), kDiagnosisItemsMin);
  } else if (best == nullptr) {
    const ExactLayers& first = diagnosis.sets.front();
    diagnosis.reason = fmt::format(
        "none: {} stands out, but sent as it is it is worth {:.2f} bits an element ({:.2f} to "
        "{:.2f}) and costs {:.2f}: the same bytes spread over all layers would win back as much "
        "or more",
        listed(first.layers), first.worth.mean, first.worth.low, first.worth.high, first.cost);
  } else {
    diagnosis.fragile = best->layers;
    std::sort(diagnosis.fragile.begin(), diagnosis.fragile.end());
    diagnosis.reason = fmt::format(
        "{}: sent as it is, {:.0f} % of the loss is won back ({:.0f} to {:.0f}), worth {:.2f} bits "
        "an element and costing {:.2f}",
        listed(diagnosis.fragile), 100.0 * best->won_back.mean, 100.0 * best->won_back.low,
        100.0 * best->won_back.high, best->worth.mean, best->cost);
  }
}

}  // namespace sluice::runtime
