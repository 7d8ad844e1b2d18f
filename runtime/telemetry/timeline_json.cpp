// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/timeline_json.hpp"

#include <fmt/format.h>

#include "runtime/telemetry/timeline_table.hpp"

namespace sluice::runtime {
namespace {

// What most requests have nothing of is left out. Levels are pipelines' names and numbers.
std::string rare_fields(const RequestTimeline& t) {
  std::string fields;
  const auto add = [&fields](const char* name, std::int64_t value) {
    fields += fmt::format(R"("{}": {}, )", name, value);
  };
  if (t.attempts > 1) add("attempts", t.attempts);
  if (t.prefill_cached_tokens > 0) add("prefill_cached_tokens", t.prefill_cached_tokens);
  if (t.decode_cached_tokens > 0) add("decode_cached_tokens", t.decode_cached_tokens);
  if (t.predicted_us > 0) add("predicted_us", t.predicted_us);
  if (!t.levels.empty()) fields += fmt::format(R"("levels": "{}", )", t.levels);
  return fields;
}

}  // namespace

std::string timeline_json(const RequestTimeline& t) {
  // A pipeline's name needs no escaping: it has letters, digits and "._+-" only.
  return fmt::format(
      R"({{"pipeline": "{}", "prompt_tokens": {}, "output_tokens": {}, "queue_us": {}, )"
      R"("prefill_us": {}, "score_us": {}, "encode_us": {}, "encode_exposed_us": {}, )"
      R"("wire_us": {}, "decode_us": {}, "unpack_us": {}, "handover_us": {}, )"
      R"("first_token_us": {}, "total_us": {}, "kv_bytes_raw": {}, "kv_bytes_wire": {}, )"
      R"({}"kept_share": {:.6f}, "link_bytes_per_s": {:.0f}, "decode_tokens_per_s": {:.3f}}})",
      t.pipeline, t.prompt_tokens, t.output_tokens, t.queue_us, t.prefill_us, t.score_us,
      t.encode_us, t.encode_exposed_us, t.wire_us, t.decode_us, t.unpack_us, t.handover_us,
      t.first_token_us, t.total_us, t.kv_bytes_raw, t.kv_bytes_wire, rare_fields(t), t.kept_share,
      t.link_bytes_per_s, decode_tokens_per_s(t));
}

}  // namespace sluice::runtime
