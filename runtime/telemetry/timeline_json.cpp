// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/timeline_json.hpp"

#include <fmt/format.h>

#include "runtime/telemetry/timeline_table.hpp"

namespace sluice::runtime {

std::string timeline_json(const RequestTimeline& t) {
  // A pipeline's name needs no escaping: it has letters, digits and "._+-" only.
  const std::string attempts =
      t.attempts > 1 ? fmt::format(R"("attempts": {}, )", t.attempts) : std::string();
  return fmt::format(
      R"({{"pipeline": "{}", "prompt_tokens": {}, "output_tokens": {}, "queue_us": {}, )"
      R"("prefill_us": {}, "score_us": {}, "encode_us": {}, "encode_exposed_us": {}, )"
      R"("wire_us": {}, "decode_us": {}, "unpack_us": {}, "handover_us": {}, )"
      R"("first_token_us": {}, "total_us": {}, "kv_bytes_raw": {}, "kv_bytes_wire": {}, )"
      R"({}"kept_share": {:.6f}, "link_bytes_per_s": {:.0f}, "decode_tokens_per_s": {:.3f}}})",
      t.pipeline, t.prompt_tokens, t.output_tokens, t.queue_us, t.prefill_us, t.score_us,
      t.encode_us, t.encode_exposed_us, t.wire_us, t.decode_us, t.unpack_us, t.handover_us,
      t.first_token_us, t.total_us, t.kv_bytes_raw, t.kv_bytes_wire, attempts, t.kept_share,
      t.link_bytes_per_s, decode_tokens_per_s(t));
}

}  // namespace sluice::runtime
