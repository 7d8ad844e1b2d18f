// SPDX-License-Identifier: Apache-2.0
#include "runtime/codec/preset_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sluice::runtime {
namespace {

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.6g}", value) : std::string("null");
}

std::string percent(double share) {
  return std::isfinite(share) ? fmt::format("{:.2f} %", 100.0 * share) : std::string("-");
}

}  // namespace

Result<PresetRow> measure_preset(const DumpedCache& cache, const kernels::Pipeline& pipeline,
                                 const std::shared_ptr<const kernels::Profile>& profile,
                                 const CacheEncoding& options, int runs) {
  PresetRow row;
  for (int run = 0; run < runs; ++run) {
    double encode_s = 0.0;
    double decode_s = 0.0;
    const auto coded = SLUICE_TRY(encode_cache(cache, pipeline, options, &encode_s));
    const auto decoded = SLUICE_TRY(decode_cache(coded, profile, &decode_s));
    if (run == 0) row.report = report_cache(decoded, &cache);
    const auto bytes = static_cast<double>(row.report.bytes_raw);
    row.encode_bytes_per_s = std::max(row.encode_bytes_per_s, bytes / encode_s);
    row.decode_bytes_per_s = std::max(row.decode_bytes_per_s, bytes / decode_s);
  }
  return row;
}

std::string preset_table(std::span<const PresetRow> rows) {
  std::string table =
      "| pipeline | ratio | bits | kept | K error | V error | attention error | encode GB/s | "
      "decode GB/s |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const PresetRow& row : rows) {
    const CacheReport& report = row.report;
    table += fmt::format("| {} | {:.2f} | {:.2f} | {:.0f} % | {} | {} | {} | {:.2f} | {:.2f} |\n",
                         report.pipeline, report.ratio, report.bits_per_element,
                         100.0 * report.kept_share, percent(report.key_error),
                         percent(report.value_error), percent(report.attention_error),
                         row.encode_bytes_per_s / 1e9, row.decode_bytes_per_s / 1e9);
  }
  return table;
}

std::string preset_json(std::span<const PresetRow> rows) {
  std::string json = "[";
  for (const PresetRow& row : rows) {
    const CacheReport& report = row.report;
    json += fmt::format(
        "{}\n  {{\"pipeline\": \"{}\", \"bytes_raw\": {}, \"bytes\": {}, \"ratio\": {}, "
        "\"bits_per_element\": {}, \"kept_share\": {}, \"key_error\": {}, \"value_error\": {}, "
        "\"attention_error\": {}, \"encode_bytes_per_s\": {}, \"decode_bytes_per_s\": {}}}",
        json.size() == 1 ? "" : ",", report.pipeline, report.bytes_raw, report.bytes,
        number(report.ratio), number(report.bits_per_element), number(report.kept_share),
        number(report.key_error), number(report.value_error), number(report.attention_error),
        number(row.encode_bytes_per_s), number(row.decode_bytes_per_s));
  }
  return json + "\n]\n";
}

}  // namespace sluice::runtime
