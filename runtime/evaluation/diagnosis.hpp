// SPDX-License-Identifier: Apache-2.0
// Which layers of a model are fragile: the rule, from what was measured of each.
//
// Two questions. Does a layer stand out: is what its quantization alone costs far above that of the
// model's other layers? And is it worth its bytes: does sending it as it is win back more than the
// same bytes would, spread over all layers? A bit more divides the squared error of a quantizer by
// 4 (Gersho and Gray, Vector Quantization and Signal Compression, 1992, section 5.6), and KL is of
// second order in the error; so layers whose exact rows divide the loss by r are worth log4(r)
// bits an element, and cost what they take above the others' bits. A model that quantizes alike in
// all layers has none that is fragile, however much it loses.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/evaluation/statistics.hpp"

namespace sluice::runtime {

// Along one item's gold answer, per token, beside the full cache.
struct AnswerLoss {
  double kl = 0.0;
  double nll = 0.0;
  double top1 = 1.0;
};
using ItemLosses = std::vector<AnswerLoss>;  // by item

// What one number of bits costs.
struct LayerLosses {
  int bits = 0;
  double bits_per_element = 0.0;  // of a quantized layer, with its scales
  ItemLosses none;                // nothing is quantized: the full cache
  ItemLosses all;                 // every layer is
  // By layer: it alone is; all but it are; its K alone; its V alone.
  std::vector<ItemLosses> alone;
  std::vector<ItemLosses> but;
  std::vector<ItemLosses> key;
  std::vector<ItemLosses> value;
};

// How far above the median layer, in robust standard deviations of the logarithm of the loss
// (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: 1.4826 times the median absolute
// deviation, and 3.5 as the mark).
inline constexpr double kStandsOutDeviations = 3.5;
inline constexpr std::size_t kStandingOutMax = 8;  // layers
// An interval over fewer items is too narrow to be sure of anything.
inline constexpr std::size_t kDiagnosisItemsMin = 8;

struct LayerDiagnosis {
  std::int32_t layer = 0;
  Interval alone;           // KL
  double share = 0.0;       // of the sum of all layers' losses alone
  double deviations = 0.0;  // see kStandsOutDeviations
  Interval won_back;        // share of the whole loss that goes when it alone is exact
  bool stands_out = false;
};

// Sent as they are, the other layers quantized.
struct ExactLayers {
  std::vector<std::int32_t> layers;  // worst first
  Interval won_back;                 // share of the whole loss
  Interval worth;                    // bits an element
  double cost = 0.0;                 // bits an element
};

struct Diagnosis {
  int bits = 0;
  double bits_per_element = 0.0;
  std::size_t items = 0;
  Interval all;  // KL
  std::vector<LayerDiagnosis> layers;
  std::vector<std::int32_t> standing_out;  // worst first
  std::vector<ExactLayers> sets;           // the first of standing_out, the first two, ...
  std::vector<std::int32_t> fragile;       // ascending
  std::string reason;                      // a sentence: why these, or why none
};

// All but sets and fragile. `losses`: the same items throughout.
Diagnosis diagnose_layers(const LayerLosses& losses);

// `exact`: for each of diagnosis.sets to be, what the first layers of standing_out being exact
// leaves. The set whose worth is surely above its cost is fragile, that with the largest margin.
void decide_fragile(const LayerLosses& losses, std::span<const ItemLosses> exact,
                    Diagnosis& diagnosis);

}  // namespace sluice::runtime
