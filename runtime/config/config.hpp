// SPDX-License-Identifier: Apache-2.0
// The one YAML file of a cluster, as a validated struct.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

enum class Role : std::uint8_t { kRouter, kPrefill, kDecode };

const char* role_name(Role role);

struct ModelConfig {
  std::string path = "default";     // a .gguf file, a Hugging Face folder, or "default"
  std::string chat_template;        // a family's name; empty: the model's own template
  std::int64_t context_tokens = 0;  // 0: the model's own maximum
};

struct RouterConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;
  std::uint16_t join_port = 8001;  // where workers join that start later; 0: none may
};

struct PrefillConfig {
  std::string device = "auto";   // auto | cpu | cuda
  std::string compute = "auto";  // auto | f32 | bf16
  int threads = 0;               // 0: all
  std::int64_t chunk_tokens = 512;
  std::size_t kv_memory_bytes = std::size_t{512} << 20;
  std::size_t send_memory_bytes = std::size_t{512} << 20;  // staging for frames on their way
};

struct DecodeConfig {
  std::string device = "auto";
  int threads = 0;
  std::int64_t sequences_max = 16;
  std::size_t kv_memory_bytes = std::size_t{1} << 30;
  std::size_t arena_memory_bytes = std::size_t{512} << 20;  // slots granted to prefill workers
  // Of one handoff at most, unless one frame is larger: the smaller, the more at once.
  std::size_t slot_memory_bytes = std::size_t{64} << 20;
};

struct PipelineConfig {
  std::string name = "raw";  // a preset of configs/pipelines, or the path of a pipeline file
  std::string profile;       // what was calibrated for the model; empty: the cache folder's
  int encode_threads = 1;    // of a prefill worker, beside its engine
  int decode_threads = 1;    // of a decode worker, for frames
};

struct TransportConfig {
  std::string backend = "ucx";
  std::string memory = "auto";  // of a decode arena: auto | host | cuda
};

// A class of requests and what its users expect.
struct SloClassConfig {
  std::string name = "default";
  double ttft_s = 10.0;        // objective for the time to first token
  double quality_floor = 0.1;  // the coarsest level: KL divergence, nats per token
  double ageing = 1.0;         // seconds that a deadline counts as nearer per second waited
  bool may_reject = true;      // refused early when it would certainly be late
};

struct SchedulerConfig {
  std::string policy = "link_aware";
  std::string levels;        // the level table; empty: beside the model's profile, if it is there
  std::string decision_log;  // a file, one JSON object per line; empty: none
  std::vector<SloClassConfig> classes = {SloClassConfig{}};  // the first is the default
  std::int64_t queue_max = 1024;       // requests that wait for their placement
  std::int64_t local_tokens_max = 32;  // longer prompts are never prefilled where they are decoded
  std::int64_t prefix_block_tokens = 64;  // of the prefix cache; 0: there is none
  bool adapt_levels = true;               // within a handoff, for each group of layers
  bool switch_roles = false;
};

// The one way between some ranks and all others: the cable of a host, the trunk of a rack.
struct UplinkConfig {
  std::string name;
  std::vector<std::uint32_t> ranks;  // each once, ascending
  double rate_bytes_per_s = 0.0;     // each direction; 0: not declared, it is measured
};

struct TopologyConfig {
  std::vector<UplinkConfig> uplinks;
};

struct ClusterConfig {
  ModelConfig model;
  std::vector<Role> ranks;  // index: MPI rank; exactly one router
  RouterConfig router;
  PrefillConfig prefill;
  DecodeConfig decode;
  PipelineConfig pipeline;
  TransportConfig transport;
  SchedulerConfig scheduler;
  TopologyConfig topology;
};

// Every error names the file, the line and the key; an unknown key also the nearest valid one.
// Sizes are written "512MiB", "1GiB" or plain bytes.
Result<ClusterConfig> load_config(const std::filesystem::path& path);
Result<ClusterConfig> parse_config(const std::string& yaml, const std::string& file_name);

// A hash of what all ranks must agree on; exchanged at start.
std::uint64_t config_hash(const ClusterConfig& config);

}  // namespace sluice::runtime
