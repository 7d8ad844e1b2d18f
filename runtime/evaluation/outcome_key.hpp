// SPDX-License-Identifier: Apache-2.0
// When two measurements are the same.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/pipeline/pipeline.hpp"
#include "runtime/evaluation/item.hpp"

namespace sluice::runtime {

// Of a pipeline's stages, their versions and parameters, and of the tensors of the profile (may be
// null) that are kept under its calibrated name or that its stages share with others': what is
// learnt anew for one pipeline leaves the others' measurements valid. Reads those tensors.
std::uint64_t measured_hash(const kernels::PipelineSpec& spec, const kernels::Profile* profile);

// Of the model, of what is asked and answered, and of a measured_hash(). Equal keys are equal
// measurements, under whatever names.
std::string outcome_key(std::uint64_t model_fingerprint, const EvaluationItem& item,
                        std::uint64_t measured);

// The same of a pipeline.
std::string outcome_key(std::uint64_t model_fingerprint, const EvaluationItem& item,
                        const kernels::PipelineSpec& spec, const kernels::Profile* profile);

// Of kFullCache.
std::string full_cache_key(std::uint64_t model_fingerprint, const EvaluationItem& item);

}  // namespace sluice::runtime
