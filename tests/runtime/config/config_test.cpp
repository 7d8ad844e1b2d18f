// SPDX-License-Identifier: Apache-2.0
#include "runtime/config/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "runtime/config/config_schema.hpp"

namespace sluice::runtime {
namespace {

using ::testing::ElementsAre;

const char kLeast[] = "cluster: { ranks: [router, prefill, decode] }\n";

ClusterConfig parse(const std::string& yaml) {
  const Result<ClusterConfig> config = parse_config(yaml, "test.yaml");
  EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().message);
  return config ? *config : ClusterConfig{};
}

std::string error_of(const std::string& yaml) {
  const Result<ClusterConfig> config = parse_config(yaml, "test.yaml");
  if (config) return "no error";
  EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
  return config.error().message;
}

TEST(Config, DefaultsAreThoseOfTheStruct) {
  const ClusterConfig config = parse(kLeast);
  EXPECT_THAT(config.ranks, ElementsAre(Role::kRouter, Role::kPrefill, Role::kDecode));
  EXPECT_EQ(config.model.path, "default");
  EXPECT_EQ(config.router.port, 8000);
  EXPECT_EQ(config.router.join_port, 8001);
  EXPECT_EQ(config.prefill.chunk_tokens, 512);
  EXPECT_EQ(config.decode.kv_memory_bytes, std::size_t{1} << 30);
  EXPECT_EQ(config.decode.slot_memory_bytes, std::size_t{64} << 20);
  EXPECT_EQ(config.transport.memory, "auto");
  EXPECT_EQ(config.scheduler.policy, "link_aware");
  EXPECT_TRUE(config.topology.uplinks.empty());
}

TEST(Config, EveryKeyReachesItsField) {
  const ClusterConfig config = parse(R"(
model: { path: /models/a.gguf, chat_template: chatml, context_tokens: 4096 }
cluster:
  ranks:
    - prefill x 2
    - router
    - decode x 3
router: { host: 0.0.0.0, port: 0, join_port: 9 }
prefill: { device: cpu, compute: f32, threads: 3, chunk_tokens: 256,
           kv_memory: 2MiB, send_memory: 3MiB }
decode: { device: cuda, threads: 5, sequences_max: 7, kv_memory: 4GiB, arena_memory: 9000000,
          slot_memory: 5MiB }
pipeline: { name: int4, profile: /p.safetensors, encode_threads: 2, decode_threads: 3 }
transport: { backend: sim, memory: cuda }
scheduler: { policy: round_robin, levels: /l.yaml, decision_log: d.jsonl, queue_max: 10,
             classes: { interactive: 2s, batch: { ttft: 1min, may_reject: false } },
             local_tokens_max: 64, prefix_block_tokens: 512, adapt_levels: false,
             switch_roles: true }
topology:
  uplinks:
    - { name: rack1, ranks: [4, 0, 1], rate: 10Gbit }
    - name: host2
      ranks: [5]
)");
  EXPECT_EQ(config.model.path, "/models/a.gguf");
  EXPECT_EQ(config.model.chat_template, "chatml");
  EXPECT_EQ(config.model.context_tokens, 4096);
  EXPECT_THAT(config.ranks, ElementsAre(Role::kPrefill, Role::kPrefill, Role::kRouter,
                                        Role::kDecode, Role::kDecode, Role::kDecode));
  EXPECT_EQ(config.router.host, "0.0.0.0");
  EXPECT_EQ(config.router.port, 0);
  EXPECT_EQ(config.router.join_port, 9);
  EXPECT_EQ(config.prefill.device, "cpu");
  EXPECT_EQ(config.prefill.compute, "f32");
  EXPECT_EQ(config.prefill.threads, 3);
  EXPECT_EQ(config.prefill.chunk_tokens, 256);
  EXPECT_EQ(config.prefill.kv_memory_bytes, 2U << 20);
  EXPECT_EQ(config.prefill.send_memory_bytes, 3U << 20);
  EXPECT_EQ(config.decode.device, "cuda");
  EXPECT_EQ(config.decode.threads, 5);
  EXPECT_EQ(config.decode.sequences_max, 7);
  EXPECT_EQ(config.decode.kv_memory_bytes, std::size_t{4} << 30);
  EXPECT_EQ(config.decode.arena_memory_bytes, 9000000U);
  EXPECT_EQ(config.decode.slot_memory_bytes, 5U << 20);
  EXPECT_EQ(config.pipeline.name, "int4");
  EXPECT_EQ(config.pipeline.profile, "/p.safetensors");
  EXPECT_EQ(config.pipeline.encode_threads, 2);
  EXPECT_EQ(config.pipeline.decode_threads, 3);
  EXPECT_EQ(config.transport.backend, "sim");
  EXPECT_EQ(config.transport.memory, "cuda");
  EXPECT_EQ(config.scheduler.policy, "round_robin");
  EXPECT_EQ(config.scheduler.levels, "/l.yaml");
  EXPECT_EQ(config.scheduler.decision_log, "d.jsonl");
  EXPECT_EQ(config.scheduler.queue_max, 10);
  ASSERT_EQ(config.scheduler.classes.size(), 2U);
  EXPECT_EQ(config.scheduler.classes[0].name, "interactive");
  EXPECT_EQ(config.scheduler.classes[1].ttft_s, 60.0);
  EXPECT_EQ(config.scheduler.local_tokens_max, 64);
  EXPECT_EQ(config.scheduler.prefix_block_tokens, 512);
  EXPECT_FALSE(config.scheduler.adapt_levels);
  EXPECT_TRUE(config.scheduler.switch_roles);
  ASSERT_EQ(config.topology.uplinks.size(), 2U);
  EXPECT_EQ(config.topology.uplinks[0].name, "rack1");
  EXPECT_THAT(config.topology.uplinks[0].ranks, ElementsAre(0, 1, 4));
  EXPECT_EQ(config.topology.uplinks[0].rate_bytes_per_s, 1.25e9);
  EXPECT_EQ(config.topology.uplinks[1].name, "host2");
  EXPECT_THAT(config.topology.uplinks[1].ranks, ElementsAre(5));
  EXPECT_EQ(config.topology.uplinks[1].rate_bytes_per_s, 0.0);
}

TEST(Config, APipelineMayBeItsNameAlone) {
  EXPECT_EQ(parse(kLeast).pipeline.name, "raw");
  EXPECT_EQ(parse(std::string(kLeast) + "pipeline: int4\n").pipeline.name, "int4");
  EXPECT_EQ(error_of(std::string(kLeast) + "pipeline: [int4]\n"),
            "test.yaml:2: \"pipeline\" must be a section of keys, not a list");
}

TEST(Config, ASchedulerMayBeItsPolicyAlone) {
  EXPECT_EQ(parse(std::string(kLeast) + "scheduler: round_robin\n").scheduler.policy,
            "round_robin");
  EXPECT_EQ(error_of(std::string(kLeast) + "scheduler: round_robbin\n"),
            "test.yaml:2: \"scheduler.policy\" cannot be \"round_robbin\"; did you mean "
            "\"round_robin\"?");
}

TEST(Config, TheFilesOfTheProjectAreValid) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(SLUICE_SOURCE_DIR "/configs/clusters")) {
    const Result<ClusterConfig> config = load_config(entry.path());
    EXPECT_TRUE(config.has_value()) << (config ? "" : config.error().message);
    ++files;
  }
  EXPECT_GE(files, 2);
}

// local.yaml says that its values are the defaults.
TEST(Config, LocalYamlShowsTheDefaults) {
  const Result<ClusterConfig> local = load_config(SLUICE_SOURCE_DIR "/configs/clusters/local.yaml");
  ASSERT_TRUE(local.has_value()) << local.error().message;
  const ClusterConfig least = parse(kLeast);
  EXPECT_EQ(local->ranks, least.ranks);
  EXPECT_EQ(local->model.path, least.model.path);
  EXPECT_EQ(local->router.port, least.router.port);
  EXPECT_EQ(local->router.join_port, least.router.join_port);
  EXPECT_EQ(local->prefill.kv_memory_bytes, least.prefill.kv_memory_bytes);
  EXPECT_EQ(local->prefill.send_memory_bytes, least.prefill.send_memory_bytes);
  EXPECT_EQ(local->prefill.chunk_tokens, least.prefill.chunk_tokens);
  EXPECT_EQ(local->decode.sequences_max, least.decode.sequences_max);
  EXPECT_EQ(local->decode.kv_memory_bytes, least.decode.kv_memory_bytes);
  EXPECT_EQ(local->decode.arena_memory_bytes, least.decode.arena_memory_bytes);
  EXPECT_EQ(local->decode.slot_memory_bytes, least.decode.slot_memory_bytes);
  EXPECT_EQ(local->transport.backend, least.transport.backend);
  EXPECT_EQ(local->transport.memory, least.transport.memory);
  EXPECT_EQ(local->scheduler.policy, least.scheduler.policy);
  EXPECT_EQ(local->scheduler.levels, least.scheduler.levels);
  EXPECT_EQ(local->scheduler.decision_log, least.scheduler.decision_log);
  ASSERT_EQ(local->scheduler.classes.size(), least.scheduler.classes.size());
  EXPECT_EQ(local->scheduler.classes[0].name, least.scheduler.classes[0].name);
  EXPECT_EQ(local->scheduler.classes[0].ttft_s, least.scheduler.classes[0].ttft_s);
  EXPECT_EQ(local->scheduler.classes[0].quality_floor, least.scheduler.classes[0].quality_floor);
  EXPECT_EQ(local->scheduler.classes[0].ageing, least.scheduler.classes[0].ageing);
  EXPECT_EQ(local->scheduler.classes[0].may_reject, least.scheduler.classes[0].may_reject);
  EXPECT_EQ(local->scheduler.queue_max, least.scheduler.queue_max);
  EXPECT_EQ(local->scheduler.local_tokens_max, least.scheduler.local_tokens_max);
  EXPECT_EQ(local->scheduler.prefix_block_tokens, least.scheduler.prefix_block_tokens);
  EXPECT_EQ(local->scheduler.adapt_levels, least.scheduler.adapt_levels);
  EXPECT_EQ(local->scheduler.switch_roles, least.scheduler.switch_roles);
  EXPECT_TRUE(local->topology.uplinks.empty());
  EXPECT_EQ(local->pipeline.name, least.pipeline.name);
  EXPECT_EQ(local->pipeline.encode_threads, least.pipeline.encode_threads);
  EXPECT_EQ(local->pipeline.decode_threads, least.pipeline.decode_threads);
}

struct BadFile {
  const char* name;
  std::string yaml;
  std::string message;
};

class ConfigError : public ::testing::TestWithParam<BadFile> {};

TEST_P(ConfigError, IsOneSentenceWithFileLineAndKey) {
  EXPECT_EQ(error_of(GetParam().yaml), GetParam().message);
}

std::string uplink(const std::string& item) {
  return "topology:\n  uplinks:\n    - " + item + "\n";
}

const BadFile kBadFiles[] = {
    {"KeyTypo", std::string(kLeast) + "router:\n  prot: 80\n",
     "test.yaml:3: unknown key \"prot\" in \"router\"; did you mean \"port\"?"},
    {"KeyFarFromAll", std::string(kLeast) + "router:\n  colour: red\n",
     "test.yaml:3: unknown key \"colour\" in \"router\"; valid are \"host\", \"port\" and "
     "\"join_port\""},
    {"KeyOnlyOneValid", std::string(kLeast) + "topology: { colour: red }\n",
     "test.yaml:2: unknown key \"colour\" in \"topology\"; valid is only \"uplinks\""},
    {"KeyOfAnotherSection", std::string(kLeast) + "router: { arena_memory: 1GiB }\n",
     "test.yaml:2: unknown key \"arena_memory\" in \"router\"; it belongs in \"decode\""},
    {"SectionTypo", std::string(kLeast) + "prefil: { threads: 1 }\n",
     "test.yaml:2: unknown section \"prefil\"; did you mean \"prefill\"?"},
    {"SectionFarFromAll", "colours: 1\n",
     "test.yaml:1: unknown section \"colours\"; valid are \"model\", \"cluster\", \"router\", "
     "\"prefill\", \"decode\", \"pipeline\", \"transport\", \"scheduler\" and \"topology\""},
    {"KeyAtTopLevel", "ranks: [router]\n",
     "test.yaml:1: unknown section \"ranks\"; it belongs in \"cluster\""},
    {"NumberIsText", std::string(kLeast) + "prefill:\n  device: cpu\n  threads: two\n",
     "test.yaml:4: \"prefill.threads\" must be a whole number, not \"two\""},
    {"NumberIsFraction", std::string(kLeast) + "prefill: { threads: 1.5 }\n",
     "test.yaml:2: \"prefill.threads\" must be a whole number, not \"1.5\""},
    {"NumberIsHuge", std::string(kLeast) + "prefill: { threads: 99999999999999999999 }\n",
     "test.yaml:2: \"prefill.threads\" must be a whole number, not \"99999999999999999999\""},
    {"NumberTooHigh", std::string(kLeast) + "router: { port: 65536 }\n",
     "test.yaml:2: \"router.port\" must be from 0 to 65535, not 65536"},
    {"NumberTooLow", std::string(kLeast) + "decode: { sequences_max: 0 }\n",
     "test.yaml:2: \"decode.sequences_max\" must be from 1 to 65536, not 0"},
    {"ValueIsList", std::string(kLeast) + "router: { host: [a, b] }\n",
     "test.yaml:2: \"router.host\" must be a single value, not a list"},
    {"ValueIsSection", std::string(kLeast) + "router: { host: { a: b } }\n",
     "test.yaml:2: \"router.host\" must be a single value, not a section"},
    {"ValueIsAbsent", std::string(kLeast) + "router:\n  host:\n  port: 1\n",
     "test.yaml:3: \"router.host\" has no value"},
    {"ValueIsEmpty", std::string(kLeast) + "router: { host: \"\" }\n",
     "test.yaml:2: \"router.host\" must not be empty"},
    {"SectionIsValue", std::string(kLeast) + "router: 8000\n",
     "test.yaml:2: \"router\" must be a section of keys, not a single value"},
    {"WordTypo", std::string(kLeast) + "prefill: { device: cdua }\n",
     "test.yaml:2: \"prefill.device\" cannot be \"cdua\"; did you mean \"cuda\"?"},
    {"WordFarFromAll", std::string(kLeast) + "prefill: { compute: double }\n",
     "test.yaml:2: \"prefill.compute\" cannot be \"double\"; valid are \"auto\", \"f32\" and "
     "\"bf16\""},
    {"PolicyTypo", std::string(kLeast) + "scheduler: { policy: least_loded }\n",
     "test.yaml:2: \"scheduler.policy\" cannot be \"least_loded\"; did you mean "
     "\"least_loaded\"?"},
    {"QueueOfNone", std::string(kLeast) + "scheduler: { queue_max: 0 }\n",
     "test.yaml:2: \"scheduler.queue_max\" must be from 1 to 65536, not 0"},
    {"PrefixBlockTooLarge", std::string(kLeast) + "scheduler: { prefix_block_tokens: 1024 }\n",
     "test.yaml:2: \"scheduler.prefix_block_tokens\" must be from 0 to 512, not 1024"},
    {"PrefixBlockOdd", std::string(kLeast) + "scheduler: { prefix_block_tokens: 48 }\n",
     "test.yaml:2: \"scheduler.prefix_block_tokens\" must be a multiple of 32, not 48"},
    {"FlagIsWord", std::string(kLeast) + "scheduler: { adapt_levels: yes }\n",
     "test.yaml:2: \"scheduler.adapt_levels\" must be true or false, not \"yes\""},
    {"ClassKeyTypo", std::string(kLeast) + "scheduler:\n  classes:\n    chat:\n      tfft: 2s\n",
     "test.yaml:5: \"scheduler.classes\" has the unknown key \"tfft\"; did you mean \"ttft\"?"},
    {"SizeSuffix", std::string(kLeast) + "decode: { kv_memory: 1GiP }\n",
     "test.yaml:2: \"decode.kv_memory\" is wrong: \"1GiP\" ends in \"GiP\", which is not one of B, "
     "KiB, MiB, GiB, TiB, KB, MB, GB, TB"},
    {"SizeIsText", std::string(kLeast) + "decode: { kv_memory: lots }\n",
     "test.yaml:2: \"decode.kv_memory\" is wrong: \"lots\" is not a size such as 512MiB, 1GiB or "
     "4096"},
    {"SizeTooSmall", std::string(kLeast) + "decode: { kv_memory: 512 }\n",
     "test.yaml:2: \"decode.kv_memory\" must be at least 1MiB, not \"512\""},
    {"JoinPortTooHigh", std::string(kLeast) + "router: { join_port: 65536 }\n",
     "test.yaml:2: \"router.join_port\" must be from 0 to 65535, not 65536"},
    {"TwoServersOnOnePort", std::string(kLeast) + "router:\n  port: 8001\n",
     "test.yaml:2: \"router.join_port\" is 8001, but that is \"router.port\" already; give it "
     "another, or 0 for none"},
    {"TransportMemoryTypo", std::string(kLeast) + "transport: { memory: hots }\n",
     "test.yaml:2: \"transport.memory\" cannot be \"hots\"; did you mean \"host\"?"},
    {"SlotTooSmall", std::string(kLeast) + "decode: { slot_memory: 1000 }\n",
     "test.yaml:2: \"decode.slot_memory\" must be at least 1MiB, not \"1000\""},
    {"UplinksIsValue", std::string(kLeast) + "topology: { uplinks: rack1 }\n",
     "test.yaml:2: \"topology.uplinks\" must be a list such as [{ name: rack1, ranks: [1, 2] }], "
     "not a single value"},
    {"UplinkIsValue", std::string(kLeast) + "topology:\n  uplinks:\n    - rack1\n",
     "test.yaml:4: \"topology.uplinks\" must be a list of sections such as { name: rack1, ranks: "
     "[1, 2] }, but has a single value"},
    {"UplinkKeyTypo", std::string(kLeast) + uplink("{ name: a, rank: [1] }"),
     "test.yaml:4: \"topology.uplinks\" has the unknown key \"rank\"; did you mean \"ranks\"?"},
    {"UplinkWithoutName", std::string(kLeast) + uplink("{ ranks: [1] }"),
     "test.yaml:4: \"topology.uplinks\" has an uplink without \"name\""},
    {"UplinkNameIsList", std::string(kLeast) + uplink("{ ranks: [1], name: [a] }"),
     "test.yaml:4: \"topology.uplinks\" has a \"name\" that must be a single value, not a list"},
    {"UplinkWithoutRanks", std::string(kLeast) + uplink("{ name: a, ranks: [] }"),
     "test.yaml:4: \"topology.uplinks\" has an uplink without \"ranks\""},
    {"UplinkRanksIsValue", std::string(kLeast) + uplink("{ name: a, ranks: 1 }"),
     "test.yaml:4: \"topology.uplinks\" must have \"ranks\" as a list of numbers such as [1, 2], "
     "not a single value"},
    {"UplinkRankIsWord", std::string(kLeast) + uplink("{ name: a, ranks: [decode] }"),
     "test.yaml:4: \"topology.uplinks\" must have numbers of ranks as \"ranks\", not \"decode\""},
    {"UplinkRankIsList", std::string(kLeast) + uplink("{ name: a, ranks: [[1]] }"),
     "test.yaml:4: \"topology.uplinks\" must have numbers of ranks as \"ranks\", not a list"},
    {"UplinkRankTwice", std::string(kLeast) + uplink("{ name: a, ranks: [1, 2, 1] }"),
     "test.yaml:4: \"topology.uplinks\" names rank 1 twice for one uplink"},
    {"UplinkRankUnknown", std::string(kLeast) + uplink("{ name: a, ranks: [1, 3] }"),
     "test.yaml:4: \"topology.uplinks\": \"a\" has rank 3, but \"cluster.ranks\" has ranks 0 to "
     "2"},
    // Sections come in any order.
    {"UplinkBeforeRanks", uplink("{ name: a, ranks: [3] }") + std::string(kLeast),
     "test.yaml:3: \"topology.uplinks\": \"a\" has rank 3, but \"cluster.ranks\" has ranks 0 to "
     "2"},
    {"UplinkOfAllRanks", std::string(kLeast) + uplink("{ name: a, ranks: [0, 1, 2] }"),
     "test.yaml:4: \"topology.uplinks\": \"a\" has all ranks, so that it leads to none"},
    {"UplinkRateUnit", std::string(kLeast) + uplink("{ name: a, ranks: [1], rate: 10GB }"),
     "test.yaml:4: \"topology.uplinks\" has a wrong \"rate\": \"10GB\" ends in \"GB\", which is "
     "not "
     "one of kbit, Mbit, Gbit, Tbit (bits per second)"},
    {"UplinkTwice",
     std::string(kLeast) + uplink("{ name: a, ranks: [1] }") + "    - { name: a, ranks: [2] }\n",
     "test.yaml:5: \"topology.uplinks\" has two uplinks named \"a\""},
    {"NoRanks", "model: { path: default }\ncluster: {}\n",
     "test.yaml:2: \"cluster.ranks\" is missing: it lists each rank's role, such as [router, "
     "prefill, decode]"},
    {"NoCluster", "model: { path: default }\n",
     "test.yaml:1: \"cluster.ranks\" is missing: it lists each rank's role, such as [router, "
     "prefill, decode]"},
    {"EmptyFile", "",
     "test.yaml:1: \"cluster.ranks\" is missing: it lists each rank's role, such as [router, "
     "prefill, decode]"},
    {"OnlyAComment", "# nothing\n",
     "test.yaml:1: \"cluster.ranks\" is missing: it lists each rank's role, such as [router, "
     "prefill, decode]"},
    {"RanksIsValue", "cluster: { ranks: router }\n",
     "test.yaml:1: \"cluster.ranks\" must be a list of roles such as [router, prefill, decode], "
     "not a single value"},
    {"RoleTypo", "cluster:\n  ranks:\n    - router\n    - prefil\n",
     "test.yaml:4: \"cluster.ranks\" has the unknown role \"prefil\"; did you mean \"prefill\"?"},
    {"RoleIsList", "cluster: { ranks: [router, [prefill]] }\n",
     "test.yaml:1: \"cluster.ranks\" must be a list of roles, but has a list"},
    {"RoleCountIsText", "cluster: { ranks: [router, prefill x many] }\n",
     "test.yaml:1: \"cluster.ranks\" has the entry \"prefill x many\", but an entry is a role, or "
     "a role and a count such as \"prefill x 4\""},
    {"RoleCountIsZero", "cluster: { ranks: [router, prefill x 0] }\n",
     "test.yaml:1: \"cluster.ranks\" has the entry \"prefill x 0\", but an entry is a role, or a "
     "role and a count such as \"prefill x 4\""},
    {"RoleCountIsHuge", "cluster: { ranks: [router, prefill x 65536] }\n",
     "test.yaml:1: \"cluster.ranks\" lists more than 65536 ranks"},
    {"NoRouter", "cluster:\n  ranks: [prefill, decode]\n",
     "test.yaml:2: \"cluster.ranks\" must have exactly one router, but has none"},
    {"TwoRouters", "cluster:\n  ranks: [router, prefill, router, decode]\n",
     "test.yaml:2: \"cluster.ranks\" must have exactly one router, but has 2"},
    {"NoPrefill", "cluster: { ranks: [router, decode] }\n",
     "test.yaml:1: \"cluster.ranks\" must have at least one prefill worker, but has none"},
    {"NoDecode", "cluster: { ranks: [router, prefill] }\n",
     "test.yaml:1: \"cluster.ranks\" must have at least one decode worker, but has none"},
    {"KeyTwice", std::string(kLeast) + "router:\n  port: 1\n  host: a\n  port: 2\n",
     "test.yaml:5: the key \"port\" is given twice, first on line 3"},
    {"SectionTwice", std::string(kLeast) + "router: { port: 1 }\nrouter: { port: 2 }\n",
     "test.yaml:3: the key \"router\" is given twice, first on line 2"},
    {"FileIsAList", "- router\n", "test.yaml:1: the file must be sections of keys, not a list"},
    {"TwoDocuments", std::string(kLeast) + "---\nrouter: { port: 1 }\n",
     "test.yaml:2: a second document starts here, but one file is one configuration"},
};

INSTANTIATE_TEST_SUITE_P(All, ConfigError, ::testing::ValuesIn(kBadFiles),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Config, AllRowsOfTheSchemaRefuseAListAsValue) {
  for (const SectionRow& section : config_schema()) {
    for (const KeyRow& key : section.keys) {
      if (key.name == "ranks" || key.name == "uplinks" || key.name == "classes") continue;
      const std::string yaml = std::string(kLeast) + std::string(section.name) + ": { " +
                               std::string(key.name) + ": [1] }\n";
      EXPECT_EQ(error_of(yaml), "test.yaml:2: \"" + std::string(section.name) + "." +
                                    std::string(key.name) +
                                    "\" must be a single value, not a list");
    }
  }
}

TEST(Config, SyntaxErrorsNameTheLine) {
  EXPECT_THAT(error_of(std::string(kLeast) + "router: { port: 1\n"),
              ::testing::StartsWith("test.yaml:"));
  EXPECT_THAT(error_of("cluster:\n  ranks: [router\nrouter: }\n"),
              ::testing::MatchesRegex("test.yaml:3: not valid YAML: .+"));
  EXPECT_THAT(error_of("cluster:\n\tranks: [router]\n"),
              ::testing::MatchesRegex("test.yaml:2: not valid YAML: .+"));
}

TEST(Config, HostileFilesAreRefusedQuickly) {
  EXPECT_THAT(error_of(std::string(200, '[') + "\n"), ::testing::StartsWith("test.yaml:1: "));
  EXPECT_THAT(error_of(std::string(100'000, '[')), ::testing::StartsWith("test.yaml:1: "));
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char letter = 'b'; letter < 'l'; ++letter) {
    const std::string before = std::string("*") + static_cast<char>(letter - 1);
    bomb += std::string(1, letter) + ": &" + letter + " [";
    for (int i = 0; i < 10; ++i) bomb += before + (i < 9 ? "," : "]\n");
  }
  EXPECT_THAT(error_of(bomb), ::testing::HasSubstr("too many values"));
  EXPECT_THAT(error_of("a: &a [ *a ]\n"), ::testing::StartsWith("test.yaml:1: "));
  EXPECT_THAT(error_of(std::string((1 << 20) + 1, '#')), ::testing::HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(error_of(std::string("\xff\xfe\x00\x01", 4)), ::testing::StartsWith("test.yaml:"));
}

TEST(LoadConfig, MissingFileAndFolder) {
  const Result<ClusterConfig> missing = load_config("/nowhere/cluster.yaml");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().message, "there is no configuration file /nowhere/cluster.yaml");
  const Result<ClusterConfig> folder = load_config("/");
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().message, "/ is a folder, but a configuration is one YAML file");
}

TEST(LoadConfig, ErrorsNameTheFileAsGiven) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "bad_cluster.yaml";
  std::ofstream(path) << "router: { prot: 1 }\n";
  const Result<ClusterConfig> config = load_config(path);
  std::filesystem::remove(path);
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().message,
            path.string() + ":1: unknown key \"prot\" in \"router\"; did you mean \"port\"?");
}

TEST(ConfigHash, CoversWhatRanksMustAgreeOn) {
  const ClusterConfig config = parse(kLeast);
  EXPECT_EQ(config_hash(config), config_hash(parse(kLeast)));
  ClusterConfig other = config;
  other.ranks = {Role::kRouter, Role::kDecode, Role::kPrefill};
  EXPECT_NE(config_hash(other), config_hash(config));
  other = config;
  other.model.context_tokens = 100;
  EXPECT_NE(config_hash(other), config_hash(config));
  other = config;
  other.transport.backend = "sim";
  EXPECT_NE(config_hash(other), config_hash(config));
  other = config;
  other.scheduler.prefix_block_tokens = 0;
  EXPECT_NE(config_hash(other), config_hash(config));
}

TEST(ConfigHash, LeavesOutWhatMayDifferByMachine) {
  const ClusterConfig config = parse(kLeast);
  ClusterConfig other = config;
  other.model.path = "/elsewhere/model.gguf";
  other.prefill.threads = 7;
  other.decode.kv_memory_bytes *= 2;
  other.router.port = 1;
  EXPECT_EQ(config_hash(other), config_hash(config));
}

TEST(RoleName, IsTheWordOfTheFile) {
  EXPECT_STREQ(role_name(Role::kRouter), "router");
  EXPECT_STREQ(role_name(Role::kPrefill), "prefill");
  EXPECT_STREQ(role_name(Role::kDecode), "decode");
}

}  // namespace
}  // namespace sluice::runtime
