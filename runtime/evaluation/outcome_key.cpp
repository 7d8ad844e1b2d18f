// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/outcome_key.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "kernels/core/bytes.hpp"
#include "runtime/config/pipeline_config.hpp"

namespace sluice::runtime {
namespace {

// Counts up when the way of measuring changes: what was measured before is then measured again.
constexpr std::uint32_t kMeasureVersion = 1;

constexpr std::uint64_t kWithoutFrames = 0;

bool has_stage(const kernels::PipelineSpec& spec, std::string_view name) {
  return std::any_of(spec.stages.begin(), spec.stages.end(),
                     [name](const kernels::StageSpec& stage) { return stage.name == name; });
}

// Names are "<stage>.<pipeline>.<what>..." where a pipeline's own, "<stage>.<what>.<k|v>.<layer>"
// where a stage's of all pipelines, and without a dot where the model's: the fragile layers, which
// `bottleneck` alone reads.
bool is_read(const kernels::PipelineSpec& spec, std::string_view name) {
  const auto tables = fmt::format(".{}.", kernels::calibrated_name(spec.name));
  if (name.find(tables) != std::string_view::npos) return true;
  const auto dot = name.find('.');
  if (dot == std::string_view::npos) return has_stage(spec, "bottleneck");
  return std::count(name.begin(), name.end(), '.') == 3 && has_stage(spec, name.substr(0, dot));
}

void put_strings(ByteWriter& out, const std::vector<std::string>& strings) {
  out.put(static_cast<std::uint64_t>(strings.size()));
  for (const std::string& text : strings) out.put_string(text);
}

std::uint64_t hash_of(Bytes bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace

std::uint64_t measured_hash(const kernels::PipelineSpec& spec, const kernels::Profile* profile) {
  ByteWriter of;
  of.put(pipeline_hash(spec));
  if (profile != nullptr) {
    for (const std::string& name : profile->names()) {
      if (!is_read(spec, name)) continue;
      const auto tensor = profile->find(name);
      of.put_string(name);
      of.put(hash_of({tensor->data, tensor->bytes()}));
    }
  }
  return hash_of(of.bytes());
}

std::string outcome_key(std::uint64_t model_fingerprint, const EvaluationItem& item,
                        std::uint64_t measured) {
  ByteWriter of;
  of.put(kMeasureVersion);
  of.put(model_fingerprint);
  for (const std::string* text : {&item.task, &item.prompt, &item.question, &item.answer_start}) {
    of.put_string(*text);
  }
  put_strings(of, item.answers);
  put_strings(of, item.choices);
  of.put(measured);
  const XXH128_hash_t hash = XXH3_128bits(of.bytes().data(), of.bytes().size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string outcome_key(std::uint64_t model_fingerprint, const EvaluationItem& item,
                        const kernels::PipelineSpec& spec, const kernels::Profile* profile) {
  return outcome_key(model_fingerprint, item, measured_hash(spec, profile));
}

std::string full_cache_key(std::uint64_t model_fingerprint, const EvaluationItem& item) {
  return outcome_key(model_fingerprint, item, kWithoutFrames);
}

}  // namespace sluice::runtime
