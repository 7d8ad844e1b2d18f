// SPDX-License-Identifier: Apache-2.0
// `sluice codec calibrate`: from a model and texts to the profile that pipelines read.
#pragma once

#include <vector>

#include "kernels/core/result.hpp"
#include "kernels/pipeline/pipeline.hpp"
#include "launch/codec.hpp"
#include "launch/rank.hpp"

namespace sluice::launch {

Status calibrate(const CodecOptions& options);

// Of a model that is loaded already; options.model is not looked at.
Status calibrate(const LoadedModel& model, const CodecOptions& options);

// Whether the model's own profile, or none, lacks something that one of the pipelines asks for.
bool needs_calibration(const std::vector<kernels::PipelineSpec>& specs,
                       const kernels::CacheShape& shape);

}  // namespace sluice::launch
