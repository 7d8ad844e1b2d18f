// SPDX-License-Identifier: Apache-2.0
// Pipelines side by side on one cache: bytes, errors, and speed on one core.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "runtime/codec/cache_report.hpp"
#include "runtime/codec/coded_cache.hpp"

namespace sluice::runtime {

struct PresetRow {
  CacheReport report;
  // BF16 bytes of the cache by second, one thread, scores not counted; the fastest of the runs.
  double encode_bytes_per_s = 0.0;
  double decode_bytes_per_s = 0.0;
};

// Runs it `runs` times.
Result<PresetRow> measure_preset(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                                 const std::shared_ptr<const kernels::Profile>& profile,
                                 const CacheEncoding& options, int runs = 2);

// Markdown, and an array of JSON objects.
std::string preset_table(std::span<const PresetRow> rows);
std::string preset_json(std::span<const PresetRow> rows);

}  // namespace sluice::runtime
