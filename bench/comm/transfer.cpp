// SPDX-License-Identifier: Apache-2.0
// Goodput of one request's KV between two processes: `bench_transfer [--transport ucx] [--rounds
// 15]
// [--layers 30] [--tokens 4096] [--token-bytes 768] [--no-sweep]`. JSON on the standard output, a
// table on the standard error. bench/comm/transfer_peers.py compares with ucx_perftest.
//
// A round is what a handoff does: one write per piece out of a registered staging region into a
// region the other process granted, a flush, then a message; it ends when the receiver's answer is
// back. 768 bytes is one layer's K and V of one token: 2 x 3 heads x 64 x BF16.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "comm/registry.hpp"

namespace sluice::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kRoundEnded = 1;
constexpr std::uint16_t kRoundSeen = 2;
constexpr std::uint16_t kGoodbye = 3;
constexpr int kWarmupRounds = 3;

struct Options {
  std::string transport = "ucx";
  std::size_t rounds = 15;
  std::size_t layers = 30;
  std::size_t tokens = 4096;
  std::size_t token_bytes = 768;
  bool has_sweep = true;

  std::size_t piece_bytes() const { return tokens * token_bytes; }
  std::size_t total_bytes() const { return layers * piece_bytes(); }
};

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "bench_transfer: %s\n", message.c_str());
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(result).value();
}
void need(Status status) {
  if (!status) fail(status.error().message);
}

// The start, before there is a transport: bytes with their size through a pipe.
class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_) != 0) fail("no pipe");
  }
  void put(const std::vector<std::byte>& item) const {
    const std::uint64_t size = item.size();
    if (::write(ends_[1], &size, sizeof(size)) != sizeof(size) ||
        ::write(ends_[1], item.data(), size) != static_cast<ssize_t>(size)) {
      fail("the other process is gone");
    }
  }
  std::vector<std::byte> get() const {
    std::uint64_t size = 0;
    read_all(&size, sizeof(size));
    std::vector<std::byte> item(size);
    read_all(item.data(), size);
    return item;
  }

 private:
  void read_all(void* data, std::size_t bytes) const {
    for (auto* next = static_cast<char*>(data); bytes != 0;) {
      const ssize_t got = ::read(ends_[0], next, bytes);
      if (got <= 0) fail("the other process is gone");
      next += got;
      bytes -= static_cast<std::size_t>(got);
    }
  }

  int ends_[2];
};

// Waits for a completion, sleeping as the workers do.
Completion next_completion(Transport& transport) {
  Completion completion;
  while (transport.poll({&completion, 1}) == 0) transport.wait(std::chrono::milliseconds(100));
  if (completion.kind == CompletionKind::kPeerLost) fail("the other process is gone");
  if (!completion.status) fail(completion.status.error().message);
  return completion;
}

// The decode side: grants memory, answers each round.
void receive(const Options& options, const Pipe& from_sender, const Pipe& to_sender) {
  auto transport = need(open_transport(options.transport, TransportOptions{.self = 1}));
  const Region region = need(transport->allocate(options.total_bytes(), MemoryKind::kHost));
  to_sender.put(transport->address());
  to_sender.put(need(transport->export_region(region)));
  need(transport->connect(0, from_sender.get()));
  for (;;) {
    const Completion completion = next_completion(*transport);
    if (completion.kind != CompletionKind::kMessage) continue;
    if (completion.type == kGoodbye) return;
    need(transport->send(0, kRoundSeen, {}));
  }
}

struct Sender {
  Transport& transport;
  RemoteRegion target;
  Region staging;
};

// Seconds for `total_bytes` in pieces of `piece_bytes`; `is_reusing` keeps to one piece of memory.
double run_round(const Sender& sender, std::size_t piece_bytes, std::size_t total_bytes,
                 bool is_reusing) {
  const auto start = Clock::now();
  std::size_t open_writes = 0;
  for (std::size_t sent = 0; sent < total_bytes; sent += piece_bytes) {
    const std::size_t bytes = std::min(piece_bytes, total_bytes - sent);
    const std::size_t offset = is_reusing ? 0 : sent;
    need(sender.transport.write(sender.target, offset, {sender.staging.data + offset, bytes}, 1));
    ++open_writes;
  }
  need(sender.transport.flush(1, 2));
  for (bool is_flushed = false; !is_flushed || open_writes != 0;) {
    const Completion completion = next_completion(sender.transport);
    if (completion.kind == CompletionKind::kWriteDone) --open_writes;
    if (completion.kind == CompletionKind::kFlushDone) is_flushed = true;
  }
  need(sender.transport.send(1, kRoundEnded, {}));
  while (next_completion(sender.transport).kind != CompletionKind::kMessage) {
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

nlohmann::json measure(const Sender& sender, const Options& options, std::size_t piece_bytes,
                       bool is_reusing) {
  // Small pieces would take long for nothing.
  const std::size_t total_bytes = std::min(options.total_bytes(), piece_bytes * 4096);
  std::vector<double> rates;
  for (std::size_t round = 0; round < kWarmupRounds + options.rounds; ++round) {
    const double seconds = run_round(sender, piece_bytes, total_bytes, is_reusing);
    if (round >= kWarmupRounds) rates.push_back(static_cast<double>(total_bytes) / seconds / 1e9);
  }
  std::sort(rates.begin(), rates.end());
  const double median = rates[rates.size() / 2];
  std::fprintf(stderr, "%12zu  %12zu  %-6s  %8.2f  %8.2f  %8.2f\n", piece_bytes, total_bytes,
               is_reusing ? "reused" : "fresh", median, rates.front(), rates.back());
  return {{"piece_bytes", piece_bytes},
          {"total_bytes", total_bytes},
          {"memory", is_reusing ? "reused" : "fresh"},
          {"gb_per_s", {{"median", median}, {"min", rates.front()}, {"max", rates.back()}}}};
}

void send(const Options& options, const Pipe& from_receiver, const Pipe& to_receiver) {
  auto transport = need(open_transport(options.transport, TransportOptions{.self = 0}));
  to_receiver.put(transport->address());
  need(transport->connect(1, from_receiver.get()));
  const RemoteRegion target = need(transport->import_region(1, from_receiver.get()));
  const Region staging = need(transport->allocate(options.total_bytes(), MemoryKind::kHost));
  std::memset(staging.data, 0x5a, staging.bytes);
  const Sender sender{*transport, target, staging};
  run_round(sender, options.piece_bytes(), options.total_bytes(), false);

  std::fprintf(stderr, "%s\n%12s  %12s  %-6s  %8s  %8s  %8s (GB/s)\n",
               transport->describe(1).c_str(), "piece bytes", "total bytes", "memory", "median",
               "min", "max");
  nlohmann::json report = {{"transport", options.transport},
                           {"path", transport->describe(1)},
                           {"rounds", options.rounds},
                           {"layers", options.layers},
                           {"tokens", options.tokens}};
  report["request"] = measure(sender, options, options.piece_bytes(), false);
  report["request_reused"] = measure(sender, options, options.piece_bytes(), true);
  report["whole"] = measure(sender, options, options.total_bytes(), false);
  report["sweep"] = nlohmann::json::array();
  if (options.has_sweep) {
    for (const std::size_t bytes : {4096UL, 65536UL, 262144UL, 1UL << 20, 16UL << 20}) {
      report["sweep"].push_back(measure(sender, options, bytes, false));
    }
  }
  need(transport->send(1, kGoodbye, {}));
  std::printf("%s\n", report.dump(2).c_str());
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--no-sweep") {
      options.has_sweep = false;
      continue;
    }
    if (i + 1 >= argc) fail("no value for " + name);
    const char* value = argv[++i];
    const auto number = [&] {
      const std::size_t parsed = std::strtoull(value, nullptr, 10);
      if (parsed == 0 || parsed > 1000000) fail(name + " wants a number from 1 to 1000000");
      return parsed;
    };
    if (name == "--transport") {
      options.transport = value;
    } else if (name == "--rounds") {
      options.rounds = number();
    } else if (name == "--layers") {
      options.layers = number();
    } else if (name == "--tokens") {
      options.tokens = number();
    } else if (name == "--token-bytes") {
      options.token_bytes = number();
    } else {
      fail("unknown option " + name);
    }
  }
  return options;
}

}  // namespace
}  // namespace sluice::comm

int main(int argc, char** argv) {
  using namespace sluice::comm;
  const Options options = parse(argc, argv);
  const Pipe to_receiver;
  const Pipe to_sender;
  const pid_t receiver = ::fork();  // before UCX starts: it does not survive a fork
  if (receiver == 0) {
    receive(options, to_receiver, to_sender);
    return 0;
  }
  send(options, to_sender, to_receiver);
  int status = 0;
  ::waitpid(receiver, &status, 0);
  return status == 0 ? 0 : 1;
}
