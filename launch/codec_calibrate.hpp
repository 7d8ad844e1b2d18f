// SPDX-License-Identifier: Apache-2.0
// `sluice codec calibrate`: from a model and texts to the profile that pipelines read.
#pragma once

#include "kernels/core/result.hpp"
#include "launch/codec.hpp"
#include "launch/rank.hpp"

namespace sluice::launch {

Status calibrate(const CodecOptions& options);

// Of a model that is loaded already; options.model is not looked at.
Status calibrate(const LoadedModel& model, const CodecOptions& options);

}  // namespace sluice::launch
