// SPDX-License-Identifier: Apache-2.0
// The table of differences between tokens, for a study that wants it.
// Private to the sources beside it.
#pragma once

#include <filesystem>

#include "launch/eval_studies.hpp"

namespace sluice::launch {

// Puts the table in front of the study's analysis, and deltas.json, layer by layer, into `folder`.
// Of the caches of a few of the items. Nothing for a study that does not want it.
Status add_delta_statistics(runtime::Study& study, const StudyJobs& jobs, const LoadedModel& model,
                            const std::filesystem::path& folder);

}  // namespace sluice::launch
