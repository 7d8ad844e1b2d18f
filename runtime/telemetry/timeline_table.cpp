// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry/timeline_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/telemetry/human_number.hpp"

namespace sluice::runtime {
namespace {

constexpr int kBarWidth = 24;

class Table {
 public:
  void rule(const char* left, const char* middle, const char* right) {
    text_ += left;
    for (int i = 0; i < 24; ++i) text_ += "─";
    text_ += middle;
    for (int i = 0; i < 49; ++i) text_ += "─";
    text_ += std::string(right) + "\n";
  }
  // `note` may use characters of several bytes, so its width comes with it.
  void row(const std::string& name, const std::string& value, const std::string& note = "",
           int note_width = 0) {
    text_ += fmt::format("│ {:<22} │ {:>14}  {}{:{}} │\n", name, value, note, "", 31 - note_width);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string milliseconds(std::int64_t us) {
  const std::string sign = us < 0 ? "-" : "";
  const std::int64_t hundredths = (std::abs(us) + 5) / 10;
  return sign + human_count(hundredths / 100) + fmt::format(".{:02} ms", hundredths % 100);
}

// One part of the time to first token, with its share as a number and as a bar.
void part_row(Table& table, const char* name, std::int64_t us, std::int64_t whole_us) {
  const double share = whole_us > 0 ? static_cast<double>(us) / static_cast<double>(whole_us) : 0.0;
  std::string note = fmt::format("{:>4.0f} % ", 100.0 * share);
  const int filled = std::clamp(static_cast<int>(std::lround(share * kBarWidth)), 0, kBarWidth);
  const int width = static_cast<int>(note.size()) + filled;
  for (int i = 0; i < filled; ++i) note += "█";
  table.row(std::string("  ") + name, milliseconds(us), note, width);
}

void text_row(Table& table, const char* name, const std::string& value,
              const std::string& note = "") {
  table.row(name, value, note, static_cast<int>(note.size()));
}

}  // namespace

double decode_tokens_per_s(const RequestTimeline& timeline) {
  const std::int64_t span_us = timeline.total_us - timeline.first_token_us;
  if (timeline.output_tokens < 2 || span_us <= 0) return 0.0;
  return static_cast<double>(timeline.output_tokens - 1) * 1e6 / static_cast<double>(span_us);
}

std::string format_timeline(const RequestTimeline& timeline) {
  const std::int64_t first = timeline.first_token_us;
  const std::int64_t named = timeline.queue_us + timeline.prefill_us + timeline.encode_exposed_us +
                             timeline.wire_us + timeline.decode_us;
  Table table;
  table.rule("┌", "┬", "┐");
  text_row(table, "prompt", human_count(timeline.prompt_tokens) + " tokens");
  text_row(table, "answer", human_count(timeline.output_tokens) + " tokens");
  table.rule("├", "┼", "┤");
  text_row(table, "time to first token", milliseconds(first));
  part_row(table, "queue", timeline.queue_us, first);
  part_row(table, "prefill", timeline.prefill_us, first);
  part_row(table, "encode", timeline.encode_exposed_us, first);
  part_row(table, "wire", timeline.wire_us, first);
  part_row(table, "decode", timeline.decode_us, first);
  part_row(table, "other", first - named, first);
  table.rule("├", "┼", "┤");
  if (!timeline.pipeline.empty()) {
    const bool is_short = timeline.pipeline.size() <= 14;
    text_row(table, "pipeline", is_short ? timeline.pipeline : "",
             is_short ? "" : timeline.pipeline.substr(0, 31));
  }
  text_row(table, "KV raw", human_bytes(static_cast<double>(timeline.kv_bytes_raw)));
  const std::string ratio =
      timeline.kv_bytes_wire > 0
          ? fmt::format("{:.2f}x smaller", static_cast<double>(timeline.kv_bytes_raw) /
                                               static_cast<double>(timeline.kv_bytes_wire))
          : "";
  // Frames of plain BF16 have headers, too.
  const bool is_smaller = timeline.kv_bytes_wire < timeline.kv_bytes_raw;
  text_row(table, "KV on the wire", human_bytes(static_cast<double>(timeline.kv_bytes_wire)),
           is_smaller ? ratio : "");
  if (timeline.kept_share < 1.0) {
    text_row(table, "KV kept", fmt::format("{:.1f} %", 100.0 * timeline.kept_share));
  }
  if (timeline.score_us > 0)
    text_row(table, "scoring, in prefill", milliseconds(timeline.score_us));
  if (timeline.encode_us > 0) text_row(table, "encoding, all", milliseconds(timeline.encode_us));
  if (timeline.unpack_us > 0) text_row(table, "decoding, all", milliseconds(timeline.unpack_us));
  text_row(table, "link rate",
           timeline.link_bytes_per_s > 0 ? human_rate(timeline.link_bytes_per_s) : "-");
  table.rule("├", "┼", "┤");
  const double prefill_rate = timeline.prefill_us > 0
                                  ? static_cast<double>(timeline.prompt_tokens) * 1e6 /
                                        static_cast<double>(timeline.prefill_us)
                                  : 0.0;
  const double decode_rate = decode_tokens_per_s(timeline);
  text_row(table, "prefill rate",
           prefill_rate > 0 ? human_count(std::llround(prefill_rate)) + " tokens/s" : "-");
  text_row(table, "decode rate",
           decode_rate > 0 ? fmt::format("{:.1f} tokens/s", decode_rate) : "-");
  text_row(table, "total", milliseconds(timeline.total_us));
  if (timeline.attempts > 1) text_row(table, "attempts", human_count(timeline.attempts));
  table.rule("└", "┴", "┘");
  return table.take();
}

}  // namespace sluice::runtime
