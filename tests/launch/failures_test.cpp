// SPDX-License-Identifier: Apache-2.0
// Workers that die or stop at every stage of a handoff, in a cluster of real processes.
#include <map>

#include "tests/launch/served_cluster.hpp"

namespace sluice::launch {
namespace {

const std::vector<std::string> kPrefillPoints{"prefill.before_want", "prefill.before_grant",
                                              "prefill.mid_layers", "prefill.after_flush",
                                              "prefill.before_manifest"};
const std::vector<std::string> kDecodePoints{"decode.before_grant", "decode.after_grant",
                                             "decode.mid_layers", "decode.before_taken",
                                             "decode.after_manifest"};

// A worker that has just joined is not reached by all others at once, and what is placed on it
// meanwhile goes elsewhere: so many batches are enough for it to get something.
constexpr int kBatchesMax = 10;

bool is_stopped(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t end = stat.rfind(") ");
  return end != std::string::npos && stat[end + 2] == 'T';
}

// One cluster for all: the rank under test is replaced, by a process that has the next fault.
class Failures : public testing::Test {
 protected:
  void SetUp() override {
    right_ = cluster_.answers();
    for (const std::string& text : right_) ASSERT_NE(text.substr(0, 5), "error") << text;
  }

  // As without a fault. A token that has left a worker right before it died cannot be taken back:
  // then the answer is an error that says so, and whoever asks again gets it.
  void expect_right_answers(bool may_break) {
    auto texts = cluster_.answers();
    for (int i = 0; i < ServedCluster::kRequests; ++i) {
      std::string& text = texts[static_cast<std::size_t>(i)];
      if (may_break && text.find("with the request") != std::string::npos)
        text = cluster_.answer(i);
      EXPECT_EQ(text, right_[static_cast<std::size_t>(i)]) << i;
    }
  }

  void die_at(const std::string& point, int rank) {
    SCOPED_TRACE(point + " killed");
    const auto worker = cluster_.join(rank, point + ":kill:1");
    const std::size_t from = cluster_.lines();
    int end = -1;
    for (int batch = 0; batch < kBatchesMax && end < 0; ++batch) {
      expect_right_answers(point == "decode.before_taken");
      end = worker->wait(std::chrono::seconds(1));
    }
    EXPECT_EQ(end, 128 + SIGKILL);
    cluster_.wait_for(ServedCluster::name(rank) + " has ended", from);
    expect_right_answers(false);
  }

  void stop_at(const std::string& point, int rank) {
    SCOPED_TRACE(point + " stopped");
    const auto worker = cluster_.join(rank, point + ":stop:1");
    std::size_t from = cluster_.lines();
    for (int batch = 0; batch < kBatchesMax && !is_stopped(worker->pid()); ++batch) {
      expect_right_answers(point == "decode.before_taken");
    }
    EXPECT_TRUE(is_stopped(worker->pid()));
    cluster_.wait_for(ServedCluster::name(rank) + " does not answer", from);
    expect_right_answers(false);
    from = cluster_.lines();
    kill(worker->pid(), SIGCONT);
    cluster_.wait_for(ServedCluster::name(rank) + " answers again", from);
    expect_right_answers(false);
    cluster_.end(rank, worker->pid());
  }

  // Frees the rank of the process that mpirun has started there.
  void take_from_mpirun(int rank) {
    const auto ranks = ranks_of(cluster_.process().pid());
    ASSERT_EQ(ranks.size(), 5U);
    cluster_.end(rank, ranks[static_cast<std::size_t>(rank)]);
    expect_right_answers(false);
  }

  // Nobody but `rank` has ended, and the cluster ends when it is told.
  void expect_the_others_lived(int rank) {
    for (int other = 1; other < 5; ++other) {
      const bool has_ended = cluster_.process().error().find(ServedCluster::name(other) +
                                                             " has ended") != std::string::npos;
      EXPECT_EQ(has_ended, other == rank) << cluster_.process().error();
    }
    EXPECT_EQ(ranks_of(cluster_.process().pid()).size(), 4U);
    kill(cluster_.process().pid(), SIGTERM);
    EXPECT_EQ(cluster_.process().wait(kPatience), 0) << cluster_.process().error();
  }

  ServedCluster cluster_;
  std::vector<std::string> right_;
};

TEST_F(Failures, OfAPrefillWorkerAtEveryStage) {
  take_from_mpirun(2);
  for (const std::string& point : kPrefillPoints) {
    die_at(point, 2);
    stop_at(point, 2);
  }
  expect_the_others_lived(2);
}

TEST_F(Failures, OfADecodeWorkerAtEveryStage) {
  take_from_mpirun(4);
  for (const std::string& point : kDecodePoints) {
    die_at(point, 4);
    stop_at(point, 4);
  }
  expect_the_others_lived(4);
}

TEST_F(Failures, WhoMayNotJoinIsToldWhy) {
  const auto refused = [&](const std::string& config, const std::string& rank) {
    tests::ChildProcess worker({SLUICE_PROGRAM, "serve", config, "--join",
                                "127.0.0.1:" + std::to_string(cluster_.join_port()), "--rank",
                                rank});
    EXPECT_EQ(worker.wait(kPatience), 1);
    return worker.error();
  };
  EXPECT_EQ(refused(cluster_.config(), "3"),
            "sluice: rank 3 (decode) is alive and answers: end that process first\n");
  EXPECT_EQ(refused(cluster_.config(), "0"), "sluice: a router cannot join its own cluster\n");
  EXPECT_NE(refused(cluster_.config(), "7").find("none is rank 7"), std::string::npos);
  TinyClusterFiles other;
  write_file(other.config, read_file(cluster_.config()) + "pipeline: { name: int8 }\n");
  take_from_mpirun(3);
  const std::string why = refused(other.config, "3");
  EXPECT_NE(why.find("has another pipeline than the cluster"), std::string::npos) << why;
  EXPECT_EQ(cluster_.process().error().find("has joined"), std::string::npos);
}

TEST_F(Failures, TheRoutersDeathEndsAllRanks) {
  const auto ranks = ranks_of(cluster_.process().pid());
  ASSERT_EQ(ranks.size(), 5U);
  kill(ranks[0], SIGKILL);
  EXPECT_GT(cluster_.process().wait(kPatience), 0);
  for (const pid_t rank : ranks) EXPECT_NE(kill(rank, 0), 0);
}

// `sluice run`: the exit code is the router's, whoever else has died.
class RunFailures : public testing::Test {
 protected:
  RunFailures() {
    std::string lines;
    for (std::size_t i = 0; i < 4; ++i) {
      lines.append("\"").append(200 + 100 * i, 'x').append("\"\n");
    }
    prompts_ = files_.folder.write("prompts.jsonl", lines).string();
  }
  std::vector<std::string> arguments(const std::string& output) const {
    return {"run",          files_.config, "--prompts",
            prompts_,       "--output",    (files_.folder.path() / output).string(),
            "--tokens-max", "6",           "--raw",
            "--ignore-end"};
  }
  std::vector<nlohmann::json> tokens(const std::string& output) const {
    std::vector<nlohmann::json> answers;
    std::istringstream lines(read_file(files_.folder.path() / output));
    for (std::string line; std::getline(lines, line);) {
      answers.push_back(nlohmann::json::parse(line)["tokens"]);
    }
    return answers;
  }

  TinyClusterFiles files_;
  std::string prompts_;
};

TEST_F(RunFailures, AWorkerThatDiesChangesNeitherAnswersNorExitCode) {
  auto local = arguments("local.jsonl");
  local.insert(local.begin(), SLUICE_PROGRAM);
  local.push_back("--local");
  tests::ChildProcess alone(local);
  ASSERT_EQ(alone.wait(kPatience), 0) << alone.error();
  auto with_fault = arguments("cluster.jsonl");
  with_fault.insert(with_fault.end(), {"--fault", "decode.mid_layers:kill:1", "--fault-rank", "3"});
  tests::ChildProcess cluster(cluster_command(5, with_fault));
  EXPECT_EQ(cluster.wait(kPatience), 0) << cluster.error();
  EXPECT_NE(cluster.error().find("rank 3 (decode) has ended"), std::string::npos);
  EXPECT_EQ(tokens("cluster.jsonl"), tokens("local.jsonl"));
  EXPECT_EQ(tokens("local.jsonl").size(), 4U);
  EXPECT_NE(read_file(files_.folder.path() / "cluster.jsonl").find("\"attempts\":2"),
            std::string::npos);
}

TEST_F(RunFailures, WhenNobodyIsLeftTheErrorSaysWho) {
  std::string yaml = read_file(files_.config);
  const std::string ranks = "[router, prefill, prefill, decode, decode]";
  yaml.replace(yaml.find(ranks), ranks.size(), "[router, prefill, decode]");
  write_file(files_.config, yaml);
  auto with_fault = arguments("cluster.jsonl");
  with_fault.insert(with_fault.end(),
                    {"--fault", "prefill.mid_layers:kill:1", "--fault-rank", "1"});
  tests::ChildProcess cluster(cluster_command(3, with_fault));
  EXPECT_EQ(cluster.wait(kPatience), 1);
  EXPECT_NE(cluster.error().find("no prefill worker can take the request: rank 1 has ended"),
            std::string::npos)
      << cluster.error();
}

}  // namespace
}  // namespace sluice::launch
