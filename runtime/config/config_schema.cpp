// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/config_schema.hpp"

#include <algorithm>
#include <string>

#include "runtime/config/bit_rate.hpp"
#include "runtime/config/byte_size.hpp"
#include "runtime/config/nearest_name.hpp"
#include "runtime/config/slo_class_config.hpp"
#include "runtime/config/yaml_scalar.hpp"
#include "scheduler/policy.hpp"

namespace sluice::runtime {
namespace {

// Far above any machine; they keep sums of sizes and of tokens far from overflow.
constexpr std::int64_t kThreadsMax = 4096;
constexpr std::int64_t kTokensMax = std::int64_t{1} << 31;
constexpr std::int64_t kRanksMax = 65536;
constexpr std::int64_t kQueueMax = 65536;
constexpr std::int64_t kKvBlockTokens = 32;  // a block of KV is shared whole or not at all
constexpr std::int64_t kPrefixBlockTokensMax = 512;
constexpr std::size_t kMemoryBytesMin = std::size_t{1} << 20;

using Names = std::vector<std::string_view>;

// The readers below: one per kind of value, each for a field of a section of the configuration.

template <class Section>
auto text(Section ClusterConfig::*section, std::string Section::*field) {
  return [=](const YamlNode& value, ClusterConfig& config, int&) -> Status {
    config.*section.*field = SLUICE_TRY(scalar_text(value));
    return {};
  };
}

template <class Section>
auto word(Section ClusterConfig::*section, std::string Section::*field, Names words) {
  return [=](const YamlNode& value, ClusterConfig& config, int&) -> Status {
    const std::string given = SLUICE_TRY(scalar_text(value));
    for (const std::string_view valid : words) {
      if (given != valid) continue;
      config.*section.*field = given;
      return {};
    }
    return wrong_value("cannot be " + in_quotes(given) + "; " + suggest_name(given, words));
  };
}

template <class Section, class Number>
auto number(Section ClusterConfig::*section, Number Section::*field, std::int64_t min,
            std::int64_t max) {
  return [=](const YamlNode& value, ClusterConfig& config, int&) -> Status {
    config.*section.*field = static_cast<Number>(SLUICE_TRY(scalar_integer(value, min, max)));
    return {};
  };
}

template <class Section>
auto memory(Section ClusterConfig::*section, std::size_t Section::*field) {
  return [=](const YamlNode& value, ClusterConfig& config, int&) -> Status {
    const std::string given = SLUICE_TRY(scalar_text(value));
    const Result<std::size_t> bytes = parse_byte_size(given);
    if (!bytes) return wrong_value("is wrong: " + bytes.error().message);
    if (*bytes < kMemoryBytesMin)
      return wrong_value("must be at least 1MiB, not " + in_quotes(given));
    config.*section.*field = *bytes;
    return {};
  };
}

template <class Section>
auto flag(Section ClusterConfig::*section, bool Section::*field) {
  return [=](const YamlNode& value, ClusterConfig& config, int&) -> Status {
    config.*section.*field = SLUICE_TRY(scalar_flag(value));
    return {};
  };
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "prefill", or "prefill x 4" for four of them in a row.
Status read_rank_entry(std::string_view entry, std::vector<Role>& ranks) {
  std::string_view role_text = trim(entry);
  std::int64_t times = 1;
  if (const auto blank = role_text.find(' '); blank != std::string_view::npos) {
    const std::string_view rest = trim(role_text.substr(blank));
    role_text = role_text.substr(0, blank);
    const Result<std::int64_t> given = whole_number(trim(rest.substr(1)));
    if (rest.front() != 'x' || !given || *given < 1 || *given > kRanksMax) {
      return wrong_value("has the entry " + in_quotes(entry) +
                         ", but an entry is a role, or a role and a count such as \"prefill x 4\"");
    }
    times = *given;
  }
  for (const Role role : {Role::kRouter, Role::kPrefill, Role::kDecode}) {
    if (role_text != role_name(role)) continue;
    if (times > kRanksMax - static_cast<std::int64_t>(ranks.size())) {
      return wrong_value("lists more than " + std::to_string(kRanksMax) + " ranks");
    }
    ranks.insert(ranks.end(), static_cast<std::size_t>(times), role);
    return {};
  }
  return wrong_value("has the unknown role " + in_quotes(role_text) + "; " +
                     suggest_name(role_text, Names{"router", "prefill", "decode"}));
}

Status read_ranks(const YamlNode& value, ClusterConfig& config, int& line) {
  if (value.kind != YamlKind::kList) {
    return wrong_value(
        std::string("must be a list of roles such as [router, prefill, decode], not ") +
        yaml_kind_name(value.kind));
  }
  for (const YamlNode& item : value.items) {
    line = item.line;
    if (item.kind != YamlKind::kScalar) {
      return wrong_value(std::string("must be a list of roles, but has ") +
                         yaml_kind_name(item.kind));
    }
    SLUICE_TRY(read_rank_entry(item.text, config.ranks));
  }
  return {};
}

Status read_uplink_ranks(const YamlNode& value, UplinkConfig& uplink, int& line) {
  if (value.kind != YamlKind::kList) {
    return wrong_value(
        std::string("must have \"ranks\" as a list of numbers such as [1, 2], not ") +
        yaml_kind_name(value.kind));
  }
  for (const YamlNode& item : value.items) {
    line = item.line;
    const Result<std::int64_t> rank =
        item.kind == YamlKind::kScalar ? whole_number(item.text) : wrong_value("");
    if (!rank || *rank < 0 || *rank >= kRanksMax) {
      const std::string given =
          item.kind == YamlKind::kScalar ? in_quotes(item.text) : yaml_kind_name(item.kind);
      return wrong_value("must have numbers of ranks as \"ranks\", not " + given);
    }
    const auto number = static_cast<std::uint32_t>(*rank);
    const auto place = std::lower_bound(uplink.ranks.begin(), uplink.ranks.end(), number);
    if (place != uplink.ranks.end() && *place == number) {
      return wrong_value("names rank " + std::to_string(number) + " twice for one uplink");
    }
    uplink.ranks.insert(place, number);
  }
  return {};
}

Status read_uplink_key(const YamlNode::Entry& entry, UplinkConfig& uplink, int& line) {
  const Names keys = {"name", "ranks", "rate"};
  line = entry.line;
  if (entry.key == "ranks") return read_uplink_ranks(entry.value, uplink, line);
  if (entry.key != "name" && entry.key != "rate") {
    return wrong_value("has the unknown key " + in_quotes(entry.key) + "; " +
                       suggest_name(entry.key, keys));
  }
  const Result<std::string> given = scalar_text(entry.value);
  if (!given)
    return wrong_value("has a " + in_quotes(entry.key) + " that " + given.error().message);
  if (entry.key == "name") {
    uplink.name = *given;
    return {};
  }
  const Result<double> rate = parse_bit_rate(*given);
  if (!rate) return wrong_value("has a wrong \"rate\": " + rate.error().message);
  uplink.rate_bytes_per_s = *rate / 8;
  return {};
}

// Whether there are such ranks is checked when all sections are read.
Status read_uplinks(const YamlNode& value, ClusterConfig& config, int& line) {
  if (value.kind != YamlKind::kList) {
    return wrong_value(
        std::string("must be a list such as [{ name: rack1, ranks: [1, 2] }], not ") +
        yaml_kind_name(value.kind));
  }
  for (const YamlNode& item : value.items) {
    line = item.line;
    if (item.kind != YamlKind::kMap) {
      return wrong_value(
          std::string("must be a list of sections such as { name: rack1, ranks: [1, 2] }, "
                      "but has ") +
          yaml_kind_name(item.kind));
    }
    UplinkConfig uplink;
    for (const YamlNode::Entry& entry : item.entries) {
      SLUICE_TRY(read_uplink_key(entry, uplink, line));
    }
    line = item.line;
    if (uplink.name.empty()) return wrong_value("has an uplink without \"name\"");
    if (uplink.ranks.empty()) return wrong_value("has an uplink without \"ranks\"");
    for (const UplinkConfig& other : config.topology.uplinks) {
      if (other.name == uplink.name)
        return wrong_value("has two uplinks named " + in_quotes(uplink.name));
    }
    config.topology.uplinks.push_back(std::move(uplink));
  }
  return {};
}

Status read_classes(const YamlNode& value, ClusterConfig& config, int& line) {
  config.scheduler.classes = SLUICE_TRY(read_slo_classes(value, line));
  return {};
}

Status read_prefix_block(const YamlNode& value, ClusterConfig& config, int&) {
  const std::int64_t tokens = SLUICE_TRY(scalar_integer(value, 0, kPrefixBlockTokensMax));
  if (tokens % kKvBlockTokens != 0) {
    return wrong_value("must be a multiple of " + std::to_string(kKvBlockTokens) + ", not " +
                       std::to_string(tokens));
  }
  config.scheduler.prefix_block_tokens = tokens;
  return {};
}

Names policy_names() {
  Names names;
  for (const scheduler::PolicyRow& row : scheduler::policy_table()) names.push_back(row.name);
  return names;
}

std::vector<SectionRow> make_schema() {
  using C = ClusterConfig;
  const Names devices = {"auto", "cpu", "cuda"};
  return {
      {"model",
       {{"path", text(&C::model, &ModelConfig::path)},
        {"chat_template", text(&C::model, &ModelConfig::chat_template)},
        {"context_tokens", number(&C::model, &ModelConfig::context_tokens, 0, kTokensMax)}}},
      {"cluster", {{"ranks", read_ranks}}},
      {"router",
       {{"host", text(&C::router, &RouterConfig::host)},
        // Port 0: the system picks a free one.
        {"port", number(&C::router, &RouterConfig::port, 0, 65535)},
        {"join_port", number(&C::router, &RouterConfig::join_port, 0, 65535)}}},
      {"prefill",
       {{"device", word(&C::prefill, &PrefillConfig::device, devices)},
        {"compute", word(&C::prefill, &PrefillConfig::compute, {"auto", "f32", "bf16"})},
        {"threads", number(&C::prefill, &PrefillConfig::threads, 0, kThreadsMax)},
        {"chunk_tokens", number(&C::prefill, &PrefillConfig::chunk_tokens, 1, kTokensMax)},
        {"kv_memory", memory(&C::prefill, &PrefillConfig::kv_memory_bytes)},
        {"send_memory", memory(&C::prefill, &PrefillConfig::send_memory_bytes)}}},
      {"decode",
       {{"device", word(&C::decode, &DecodeConfig::device, devices)},
        {"threads", number(&C::decode, &DecodeConfig::threads, 0, kThreadsMax)},
        {"sequences_max", number(&C::decode, &DecodeConfig::sequences_max, 1, 65536)},
        {"kv_memory", memory(&C::decode, &DecodeConfig::kv_memory_bytes)},
        {"arena_memory", memory(&C::decode, &DecodeConfig::arena_memory_bytes)},
        {"slot_memory", memory(&C::decode, &DecodeConfig::slot_memory_bytes)}}},
      {"pipeline",
       {{"name", text(&C::pipeline, &PipelineConfig::name)},
        {"profile", text(&C::pipeline, &PipelineConfig::profile)},
        {"encode_threads", number(&C::pipeline, &PipelineConfig::encode_threads, 1, kThreadsMax)},
        {"decode_threads", number(&C::pipeline, &PipelineConfig::decode_threads, 1, kThreadsMax)}},
       "name"},
      // Which transports there are depends on the build; opening one names them.
      {"transport",
       {{"backend", text(&C::transport, &TransportConfig::backend)},
        {"memory", word(&C::transport, &TransportConfig::memory, {"auto", "host", "cuda"})}}},
      {"scheduler",
       {{"policy", word(&C::scheduler, &SchedulerConfig::policy, policy_names())},
        {"levels", text(&C::scheduler, &SchedulerConfig::levels)},
        {"decision_log", text(&C::scheduler, &SchedulerConfig::decision_log)},
        {"classes", read_classes},
        {"queue_max", number(&C::scheduler, &SchedulerConfig::queue_max, 1, kQueueMax)},
        {"local_tokens_max",
         number(&C::scheduler, &SchedulerConfig::local_tokens_max, 0, kTokensMax)},
        {"prefix_block_tokens", read_prefix_block},
        {"adapt_levels", flag(&C::scheduler, &SchedulerConfig::adapt_levels)},
        {"switch_roles", flag(&C::scheduler, &SchedulerConfig::switch_roles)}},
       "policy"},
      {"topology", {{"uplinks", read_uplinks}}},
  };
}

}  // namespace

std::span<const SectionRow> config_schema() {
  static const std::vector<SectionRow> schema = make_schema();
  return schema;
}

}  // namespace sluice::runtime
