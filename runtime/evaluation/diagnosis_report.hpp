// SPDX-License-Identifier: Apache-2.0
// A diagnosis for people: a table for the terminal, Markdown, a picture; and JSON for programs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/evaluation/diagnosis.hpp"
#include "runtime/evaluation/item.hpp"

namespace sluice::runtime {

// Of one number of bits.
struct DiagnosedLayers {
  LayerLosses losses;
  Diagnosis diagnosis;
};

// What a report says beside the figures.
struct DiagnosisSubject {
  std::string model;
  std::string fingerprint;
  std::vector<EvaluationItem> items;  // as in the losses
};

// Columns of all layers, then what came of it.
std::string diagnosis_table(const DiagnosedLayers& diagnosed);

// For a page: the layers that lose most, the verdict of every width, and its picture, which lies at
// `folder`/diagnosis_picture_name().
std::string diagnosis_markdown(const DiagnosisSubject& subject,
                               std::span<const DiagnosedLayers> diagnosed,
                               const std::string& folder);

// "diagnosis.svg" for the first width, "diagnosis-2bit.svg" for others.
std::string diagnosis_picture_name(std::span<const DiagnosedLayers> diagnosed, std::size_t index);

// The loss by layer: alone, K and V alone, all but it. SVG.
std::string diagnosis_picture(const DiagnosedLayers& diagnosed);

std::string diagnosis_json(const DiagnosisSubject& subject,
                           std::span<const DiagnosedLayers> diagnosed);

}  // namespace sluice::runtime
