// SPDX-License-Identifier: Apache-2.0
// A cluster of real processes on a tiny model, behind HTTP, whose workers can be killed, stopped
// and replaced.
#pragma once

#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "tests/launch/program.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_model_file.hpp"

namespace sluice::launch {

// One that nobody listens at now.
inline int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(address);
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), bytes), 0);
  EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
  close(listener);
  return ntohs(address.sin_port);
}

inline std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = read_file(entry.path() / "stat");  // "PID (NAME) STATE PARENT ..."
    const std::size_t end = stat.rfind(") ");
    if (end == std::string::npos) continue;  // it has just ended
    if (std::stol(stat.substr(end + 4)) == parent) children.push_back(std::stoi(name));
  }
  return children;
}

// The ranks that launch/cluster (through its mpirun) has started, in rank order.
inline std::vector<pid_t> ranks_of(pid_t launcher) {
  std::map<int, pid_t> ranks;
  for (const pid_t child : children_of(launcher)) {
    for (const pid_t rank : children_of(child)) {
      const std::string environment = read_file("/proc/" + std::to_string(rank) + "/environ");
      const std::string before = "OMPI_COMM_WORLD_RANK=";
      const std::size_t at = environment.find(before);
      if (at != std::string::npos) ranks[std::atoi(&environment[at + before.size()])] = rank;
    }
  }
  std::vector<pid_t> pids;
  for (const auto& [rank, pid] : ranks) pids.push_back(pid);
  return pids;
}

// A folder with a tiny model and a cluster file: ranks 1 and 2 prefill, 3 and 4 decode; requests go
// to them in turn.
struct TinyClusterFiles {
  tests::TemporaryFolder folder;
  int join_port = free_port();
  std::string config;

  TinyClusterFiles() {
    const auto model = folder.write("tiny.gguf", tests::TinyModelFile().build());
    const std::string yaml =
        "model: { path: " + model.string() + " }\n" +
        "cluster: { ranks: [router, prefill, prefill, decode, decode] }\n" +
        "router: { port: 0, join_port: " + std::to_string(join_port) + " }\n" +
        "prefill: { compute: f32, threads: 1, chunk_tokens: 64, kv_memory: 4MiB, "
        "send_memory: 4MiB }\n"
        "decode: { threads: 1, kv_memory: 4MiB, arena_memory: 4MiB }\n"
        "scheduler: { policy: round_robin }\n";
    config = folder.write("tiny.yaml", yaml).string();
  }
};

class ServedCluster {
 public:
  static constexpr int kRequests = 4;  // of a batch, all at once

  ServedCluster() : process_(cluster_command(5, {"serve", files_.config})) {
    EXPECT_TRUE(process_.wait_for_error("serving", kPatience)) << process_.error();
    const std::string before = "http://127.0.0.1:";
    EXPECT_TRUE(process_.wait_for_error("\n", kPatience, process_.error().find(before)));
    const std::size_t at = process_.error().find(before);
    if (at != std::string::npos) port_ = std::stoi(process_.error().substr(at + before.size()));
  }

  // The answers of a batch; one that is none begins with "error". They may be at any two workers.
  std::vector<std::string> answers() const {
    std::vector<std::future<std::string>> asked;
    for (int i = 0; i < kRequests; ++i) {
      asked.push_back(std::async(std::launch::async, [this, i] { return answer(i); }));
    }
    std::vector<std::string> texts;
    for (auto& one : asked) texts.push_back(one.get());
    return texts;
  }
  std::string answer(int number) const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(kPatience);
    std::mt19937 random(static_cast<unsigned>(number));
    std::string prompt;
    for (int i = 0; i < 400 + 100 * number; ++i) {
      prompt += static_cast<char>('a' + static_cast<int>(random() % 26));
    }
    const nlohmann::json body{
        {"prompt", prompt}, {"max_tokens", 12}, {"temperature", 1.0}, {"seed", number}};
    const auto response = client.Post("/v1/completions", body.dump(), "application/json");
    if (!response) return "error: no response";
    if (response->status != 200) return "error: " + response->body;
    return nlohmann::json::parse(response->body)["choices"][0]["text"];
  }

  // A worker in place of one that ended; returns once it is ready.
  std::unique_ptr<tests::ChildProcess> join(int rank, const std::string& fault) {
    const std::size_t from = process_.error().size();
    std::vector<std::string> command{SLUICE_PROGRAM,
                                     "serve",
                                     files_.config,
                                     "--join",
                                     "127.0.0.1:" + std::to_string(files_.join_port),
                                     "--rank",
                                     std::to_string(rank)};
    if (!fault.empty()) {
      command.insert(command.end(), {"--fault", fault, "--fault-rank", std::to_string(rank)});
    }
    auto worker = std::make_unique<tests::ChildProcess>(command);
    EXPECT_TRUE(process_.wait_for_error(name(rank) + " is ready", kPatience, from))
        << process_.error() << worker->error();
    return worker;
  }
  void end(int rank, pid_t pid) {
    const std::size_t from = process_.error().size();
    kill(pid, SIGKILL);
    wait_for(name(rank) + " has ended", from);
  }
  // On the router's standard error.
  void wait_for(const std::string& text, std::size_t from) {
    EXPECT_TRUE(process_.wait_for_error(text, kPatience, from)) << process_.error();
  }

  static std::string name(int rank) {
    return "rank " + std::to_string(rank) + (rank < 3 ? " (prefill)" : " (decode)");
  }
  std::size_t lines() const { return process_.error().size(); }
  tests::ChildProcess& process() { return process_; }
  const std::string& config() const { return files_.config; }
  int join_port() const { return files_.join_port; }

 private:
  TinyClusterFiles files_;
  tests::ChildProcess process_;
  int port_ = 0;
};

}  // namespace sluice::launch
