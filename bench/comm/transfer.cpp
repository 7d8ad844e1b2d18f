// SPDX-License-Identifier: Apache-2.0
// Goodput and latency of a transport between processes of one host. JSON on the standard output, a
// table on the standard error; bench/comm/transfer_peers.py compares with others.
//
//   bench_transfer [--transport ucx] [--blocks 4096,...] [--counts 1,30] [--streams 1,2,4]
//                  [--directions one,both] [--memory distinct|same] [--rounds 15]
//                  [--wait sleep|spin|spin-all]
//
// A round: each of `streams` writers writes `count` blocks out of registered memory into memory
// that the receiver granted, and flushes; its time ends when it knows that all of it is visible
// there. Then a message says so, and the next round starts when all writers' messages are in.
// "both": the receiver writes as much to every writer meanwhile. "same": all blocks of a writer at
// one place, as ucx_perftest does; "distinct": each at its own, as KV is. A process that waits
// sleeps, as the workers do; or a writer that waits for its writes spins, as other engines do; or
// all spin, as ucx_perftest does.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "comm/registry.hpp"

namespace sluice::comm {
namespace {

constexpr std::uint16_t kGo = 1;    // receiver to writers: a round starts
constexpr std::uint16_t kDone = 2;  // writer to receiver: its Times
constexpr NodeId kReceiver = 0;
constexpr std::size_t kWarmupRounds = 3;
constexpr std::size_t kBytesMax = std::size_t{1} << 30;  // of one region

enum class Wait : std::uint8_t { kSleep, kSpin, kSpinAll };

constexpr const char* kWaitNames[] = {"sleep", "spin", "spin-all"};

struct Case {
  std::size_t block_bytes = 0;
  std::size_t count = 0;
  std::size_t streams = 0;
  bool is_both_ways = false;
  bool is_same_place = false;

  std::size_t place_bytes() const { return is_same_place ? block_bytes : block_bytes * count; }
};

struct Options {
  std::string transport = "ucx";
  std::vector<std::size_t> blocks = {4096, 65536, 1 << 20, 16 << 20};
  std::vector<std::size_t> counts = {1, 30};
  std::vector<std::size_t> streams = {1};
  std::vector<bool> directions = {false};
  bool is_same_place = false;
  Wait wait = Wait::kSleep;
  std::size_t rounds = 15;

  // Those that would take more memory than kBytesMax are left out.
  std::vector<Case> cases() const {
    std::vector<Case> all;
    for (const std::size_t stream_count : streams) {
      for (const bool both : directions) {
        for (const std::size_t count : counts) {
          for (const std::size_t block : blocks) {
            const Case one{block, count, stream_count, both, is_same_place};
            if (one.place_bytes() * stream_count <= kBytesMax) all.push_back(one);
          }
        }
      }
    }
    return all;
  }
  std::size_t streams_max() const { return *std::max_element(streams.begin(), streams.end()); }
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

struct Channel {
  Pipe to_writer;
  Pipe to_receiver;
};

// On the host's monotonic clock, which its processes share; nanoseconds.
struct Times {
  std::int64_t start = 0;
  std::int64_t end = 0;
};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// One process: a transport, memory to write from and into, and what it is writing.
class Node {
 public:
  Node(const Options& options, NodeId self, std::size_t target_bytes, std::size_t source_bytes)
      : wait_(options.wait),
        transport_(need(open_transport(options.transport, TransportOptions{.self = self}))),
        target_(need(transport_->allocate(target_bytes, MemoryKind::kHost))),
        source_(need(transport_->allocate(source_bytes, MemoryKind::kHost))) {
    std::memset(source_.data, 0x5a, source_.bytes);
  }

  Transport& transport() { return *transport_; }

  void greet(const Pipe& out) {
    out.put(transport_->address());
    out.put(need(transport_->export_region(target_)));
  }
  void meet(NodeId peer, const Pipe& in) {
    need(transport_->connect(peer, in.get()));
    remote_.push_back(need(transport_->import_region(peer, in.get())));
  }

  // Posts a case's writes and their flush to `peers_[index]`.
  void post(const Case& one, std::size_t index, std::size_t offset) {
    const RemoteRegion& remote = remote_[index];
    for (std::size_t i = 0; i < one.count; ++i) {
      const std::size_t at = one.is_same_place ? 0 : i * one.block_bytes;
      need(transport_->write(remote, offset + at, {source_.data + at, one.block_bytes}, 1));
    }
    need(transport_->flush(remote.peer, 2));
    open_ += one.count + 1;
  }

  // Until what was posted is done and `messages` messages are in. Sleeps as the workers do.
  std::vector<Completion> finish(std::size_t messages, std::int64_t* written_ns) {
    std::vector<Completion> arrived;
    for (;;) {
      const std::size_t found = transport_->poll(batch_);
      for (std::size_t i = 0; i < found; ++i) {
        Completion& completion = batch_[i];
        if (completion.kind == CompletionKind::kPeerLost) fail("the other process is gone");
        if (!completion.status) fail(completion.status.error().message);
        if (completion.kind == CompletionKind::kMessage) waiting_.push_back(std::move(completion));
        if (completion.kind == CompletionKind::kWriteDone ||
            completion.kind == CompletionKind::kFlushDone) {
          if (--open_ == 0 && written_ns != nullptr) *written_ns = now_ns();
        }
      }
      while (!waiting_.empty() && arrived.size() < messages) {
        arrived.push_back(std::move(waiting_.front()));
        waiting_.erase(waiting_.begin());
      }
      if (open_ == 0 && arrived.size() == messages) return arrived;
      const bool spins =
          wait_ == Wait::kSpinAll || (wait_ == Wait::kSpin && open_ != 0 && messages == 0);
      if (found == 0 && !spins) transport_->wait(std::chrono::milliseconds(100));
    }
  }

 private:
  Wait wait_;
  std::unique_ptr<Transport> transport_;
  Region target_;
  Region source_;
  std::vector<RemoteRegion> remote_;
  std::array<Completion, 64> batch_;
  std::vector<Completion> waiting_;
  std::size_t open_ = 0;
};

std::size_t region_bytes(const Options& options, bool is_receivers_target) {
  std::size_t bytes = 1;
  for (const Case& one : options.cases()) {
    bytes = std::max(bytes, one.place_bytes() * (is_receivers_target ? one.streams : 1));
  }
  return bytes;
}

void run_writer(const Options& options, NodeId self, const Channel& channel) {
  const std::size_t bytes = region_bytes(options, false);
  Node node(options, self, bytes, bytes);
  node.meet(kReceiver, channel.to_writer);
  node.greet(channel.to_receiver);
  for (const Case& one : options.cases()) {
    if (self > one.streams) continue;
    for (std::size_t round = 0; round < kWarmupRounds + options.rounds; ++round) {
      (void)node.finish(1, nullptr);
      Times times{.start = now_ns()};
      node.post(one, 0, one.place_bytes() * (self - 1));
      (void)node.finish(0, &times.end);
      need(node.transport().send(kReceiver, kDone, std::as_bytes(std::span(&times, 1))));
    }
  }
  (void)node.finish(1, nullptr);  // the last word
  channel.to_receiver.put({});
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(last * share + 0.5)];
}

// Two times a round, in microseconds: first post to last visibility; and to the last message.
struct Measured {
  std::vector<double> visible_us;
  std::vector<double> told_us;
};

Measured run_case(Node& node, const Case& one, std::size_t rounds) {
  Measured measured;
  for (std::size_t round = 0; round < kWarmupRounds + rounds; ++round) {
    for (NodeId writer = 1; writer <= one.streams; ++writer) {
      need(node.transport().send(writer, kGo, {}));
    }
    Times all{.start = now_ns()};
    if (one.is_both_ways) {
      for (std::size_t i = 0; i < one.streams; ++i) node.post(one, i, 0);
    } else {
      all.start = std::numeric_limits<std::int64_t>::max();
    }
    const std::vector<Completion> words = node.finish(one.streams, &all.end);
    const std::int64_t told = now_ns();
    for (const Completion& word : words) {
      Times times;
      if (word.payload.size() != sizeof(times)) fail("a strange message");
      std::memcpy(&times, word.payload.data(), sizeof(times));
      all.start = std::min(all.start, times.start);
      all.end = std::max(all.end, times.end);
    }
    if (round < kWarmupRounds) continue;
    measured.visible_us.push_back(static_cast<double>(all.end - all.start) / 1e3);
    measured.told_us.push_back(static_cast<double>(told - all.start) / 1e3);
  }
  return measured;
}

nlohmann::json describe(const Case& one, const Measured& measured) {
  const std::size_t total = one.block_bytes * one.count * one.streams * (one.is_both_ways ? 2 : 1);
  const auto rate = [&](double microseconds) {
    return static_cast<double>(total) / microseconds / 1e3;
  };
  const double visible = quantile(measured.visible_us, 0.5);
  const double told = quantile(measured.told_us, 0.5);
  std::fprintf(stderr, "%9zu %6zu %7zu %-5s %-8s %11.1f %11.1f %11.1f %8.2f\n", one.block_bytes,
               one.count, one.streams, one.is_both_ways ? "both" : "one",
               one.is_same_place ? "same" : "distinct", visible,
               quantile(measured.visible_us, 0.99), told, rate(visible));
  return {{"block_bytes", one.block_bytes},
          {"count", one.count},
          {"streams", one.streams},
          {"direction", one.is_both_ways ? "both" : "one"},
          {"memory", one.is_same_place ? "same" : "distinct"},
          {"total_bytes", total},
          {"visible_us",
           {{"median", visible},
            {"p99", quantile(measured.visible_us, 0.99)},
            {"min", quantile(measured.visible_us, 0)}}},
          {"told_us", {{"median", told}, {"p99", quantile(measured.told_us, 0.99)}}},
          {"gb_per_s", rate(visible)},
          {"told_gb_per_s", rate(told)}};
}

void run_receiver(const Options& options, const std::vector<Channel>& channels) {
  Node node(options, kReceiver, region_bytes(options, true), region_bytes(options, false));
  for (const Channel& channel : channels) node.greet(channel.to_writer);
  for (NodeId writer = 1; writer <= channels.size(); ++writer) {
    node.meet(writer, channels[writer - 1].to_receiver);
  }
  nlohmann::json report = {{"transport", options.transport},
                           {"rounds", options.rounds},
                           {"wait", kWaitNames[static_cast<std::size_t>(options.wait)]},
                           {"cases", nlohmann::json::array()}};
  std::fprintf(stderr, "%9s %6s %7s %-5s %-8s %11s %11s %11s %8s\n", "block", "count", "streams",
               "ways", "memory", "visible us", "p99 us", "told us", "GB/s");
  for (const Case& one : options.cases()) {
    report["cases"].push_back(describe(one, run_case(node, one, options.rounds)));
  }
  report["lanes"] = node.transport().lanes(1);
  std::fprintf(stderr, "over %s\n", node.transport().describe(1).c_str());
  for (NodeId writer = 1; writer <= channels.size(); ++writer) {
    need(node.transport().send(writer, kGo, {}));
  }
  // Not gone before the writers have read the last word.
  for (const Channel& channel : channels) (void)channel.to_receiver.get();
  std::printf("%s\n", report.dump(2).c_str());
}

std::vector<std::size_t> numbers(const std::string& name, std::string text) {
  std::vector<std::size_t> all;
  while (!text.empty()) {
    const std::string word = text.substr(0, text.find(','));
    text.erase(0, word.size() + 1);
    const std::size_t number = std::strtoull(word.c_str(), nullptr, 10);
    if (number == 0 || number > kBytesMax) fail(name + " wants numbers from 1, with commas");
    all.push_back(number);
  }
  if (all.empty()) fail(name + " wants a number");
  return all;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (i + 1 >= argc) fail("no value for " + name);
    const std::string value = argv[++i];
    if (name == "--transport") {
      options.transport = value;
    } else if (name == "--blocks") {
      options.blocks = numbers(name, value);
    } else if (name == "--counts") {
      options.counts = numbers(name, value);
    } else if (name == "--streams") {
      options.streams = numbers(name, value);
      if (options.streams_max() > 64) fail("--streams: at most 64");
    } else if (name == "--rounds") {
      options.rounds = numbers(name, value).front();
    } else if (name == "--directions" && (value == "one" || value == "both")) {
      options.directions = {value == "both"};
    } else if (name == "--directions" && value == "one,both") {
      options.directions = {false, true};
    } else if (name == "--wait" &&
               std::count(std::begin(kWaitNames), std::end(kWaitNames), value)) {
      options.wait = static_cast<Wait>(
          std::find(std::begin(kWaitNames), std::end(kWaitNames), value) - std::begin(kWaitNames));
    } else if (name == "--memory" && (value == "same" || value == "distinct")) {
      options.is_same_place = value == "same";
    } else {
      fail("unknown option " + name + " " + value);
    }
  }
  return options;
}

}  // namespace
}  // namespace sluice::comm

int main(int argc, char** argv) {
  using namespace sluice::comm;
  const Options options = parse(argc, argv);
  const std::vector<Channel> channels(options.streams_max());
  std::vector<pid_t> writers;
  for (NodeId writer = 1; writer <= channels.size(); ++writer) {
    const pid_t child = ::fork();  // before UCX starts: it does not survive a fork
    if (child < 0) fail("no process");
    if (child == 0) {
      run_writer(options, writer, channels[writer - 1]);
      return 0;
    }
    writers.push_back(child);
  }
  run_receiver(options, channels);
  bool all_well = true;
  for (const pid_t writer : writers) {
    int status = 0;
    ::waitpid(writer, &status, 0);
    all_well = all_well && status == 0;
  }
  return all_well ? 0 : 1;
}
