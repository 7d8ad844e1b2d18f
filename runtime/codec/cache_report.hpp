// SPDX-License-Identifier: Apache-2.0
// What a pipeline did to a cache, layer by layer: bytes, and what attention makes of what is left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/codec/coded_cache.hpp"

namespace sluice::runtime {

struct LayerReport {
  std::int64_t layer = 0;
  double kept_share = 0.0;        // of (token, head) rows
  double bits_per_element = 0.0;  // of all K and V elements of the layer, its share of the frame
  double ratio = 0.0;             // BF16 bytes over frame bytes
  // Relative root mean squares; NaN without an original, or for attention without its queries.
  double key_error = 0.0;  // of the rows that were kept
  double value_error = 0.0;
  double attention_error = 0.0;  // of the output for the prompt's last queries, dropping included
  std::uint64_t checksum = 0;  // of the layer's frame; of several, each turned by one bit and XORed
};

struct CacheReport {
  std::string pipeline;
  std::size_t bytes_raw = 0;  // BF16
  std::size_t bytes = 0;      // frames
  double kept_share = 0.0;
  double bits_per_element = 0.0;
  double ratio = 0.0;
  double key_error = 0.0;  // over all layers together
  double value_error = 0.0;
  double attention_error = 0.0;  // mean over layers
  std::vector<LayerReport> layers;
};

// `original`: null, or the cache that was encoded. At most kReportQueries of its queries are used.
inline constexpr std::int64_t kReportQueries = 8;
CacheReport report_cache(const DecodedCache& decoded, const DumpedCache* original);

// As text for people: a line for each layer, and a sum.
std::string report_table(const CacheReport& report);

}  // namespace sluice::runtime
