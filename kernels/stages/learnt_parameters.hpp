// SPDX-License-Identifier: Apache-2.0
// Parameters of how bases are learnt from a model's texts: klt, kvtc and predict have them alike.
#pragma once

#include "kernels/stages/parameters.hpp"

namespace sluice::kernels {

inline constexpr ParameterRow kLearntWeight{
    "weight", ParameterKind::kChoice, 0, 0, 1, "none fisher",
    "what an error costs: alike in every direction, or the profile's 'fisher'"};
// A few texts do not show every direction in which an error costs something.
inline constexpr ParameterRow kLearntRegularize{
    "regularize", ParameterKind::kNumber, 0.03F, 0, 1000, "",
    "of the weight's mean diagonal, added to its diagonal"};
inline constexpr ParameterRow kLearntSkipTokens{
    "skip_tokens", ParameterKind::kInteger, 4, 0, 1024, "",
    "first positions not learnt from: sinks look like no other token"};

}  // namespace sluice::kernels
