// SPDX-License-Identifier: Apache-2.0
// A host of its own, for tests of links between hosts: a process in a network namespace of its own,
// which is gone when the process is. It takes commands, a line each, and answers each with a line.
//
//   shell COMMAND        runs it in the namespace: "ok", or "failed"
//   open                 opens the ucx transport and a region: "ADDRESS KEY" in hexadecimal digits
//   send ADDRESS KEY     keeps the link to that region full from now on, by the pace of its meter
//   portions BYTES US    sends that much instead, flushes, rests for so long, and again
//   flood BYTES HOST     sends datagrams beside it, so many bytes per second
//   run MICROSECONDS     after that time: "FREE CAPACITY OTHER UTILIZATION" of the link
//   count                "MICROSECONDS BYTES DATAGRAMS": payload that has come in so far, of TCP
//   and
//                        of others' datagrams
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "comm/link/link_meter.hpp"
#include "comm/link/nic_counters.hpp"
#include "comm/link/pace.hpp"
#include "comm/registry.hpp"

namespace sluice::comm {
namespace {

constexpr std::size_t kRegionBytes = std::size_t{32} << 20;
constexpr std::size_t kQueuedBytes = std::size_t{256} << 20;
constexpr std::int64_t kCardUs = 50'000;
// Ethernet, IP, and TCP with time stamps.
constexpr std::uint64_t kHeaderBytes = 14 + 20 + 32;
constexpr std::size_t kDatagramBytes = 1400;
constexpr std::uint64_t kDatagramFrameBytes = 14 + 20 + 8 + kDatagramBytes;

[[noreturn]] void fail(const std::string& why) {
  std::cout << "error: " << why << std::endl;
  std::exit(1);
}

template <class T>
T need(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(result).value();
}
void need(const Status& status) {
  if (!status) fail(status.error().message);
}

std::string to_hex(const std::vector<std::byte>& bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[std::to_integer<unsigned>(byte) >> 4];
    text += "0123456789abcdef"[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

std::vector<std::byte> from_hex(const std::string& text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

// A network of its own, and a /sys that shows it.
bool enter_namespace() {
  return ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
         ::mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) == 0 &&
         ::mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0;
}

std::uint64_t statistic(const std::string& name) {
  std::ifstream file("/sys/class/net/eth0/statistics/" + name);
  std::uint64_t value = 0;
  file >> value;
  return value;
}

// Datagrams that came for a port where nobody listens.
std::uint64_t datagrams_received() {
  std::ifstream file("/proc/net/snmp");
  std::uint64_t datagrams = 0;
  std::uint64_t unheard = 0;
  for (std::string word; file >> word;) {
    if (word == "Udp:" && file >> datagrams >> unheard) return unheard;
    file.clear();
  }
  return 0;
}

class Peer {
 public:
  // False: the standard input has ended.
  bool turn() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    // While it has a transport, that is what it waits for.
    if (::poll(&input, 1, transport_ == nullptr ? -1 : 0) == 1 && !read_input()) return false;
    for (std::size_t end = 0; (end = input_.find('\n')) != std::string::npos;) {
      std::istringstream line(input_.substr(0, end));
      input_.erase(0, end + 1);
      take(line);
    }
    if (transport_ == nullptr) return true;
    const std::size_t count = transport_->poll(completions_);
    for (std::size_t i = 0; i < count; ++i) complete(completions_[i]);
    if (target_) {
      post();
      flood();
      watch();
    }
    if (count == 0) transport_->wait(std::chrono::milliseconds(1));
    return true;
  }

 private:
  struct Write {
    std::size_t bytes = 0;
    std::int64_t posted_us = 0;
  };

  bool read_input() {
    char text[4096];
    const ssize_t bytes = ::read(STDIN_FILENO, text, sizeof(text));
    if (bytes > 0) input_.append(text, static_cast<std::size_t>(bytes));
    return bytes > 0;
  }

  void take(std::istringstream& line) {
    std::string verb;
    line >> verb;
    if (verb == "shell") {
      std::string command;
      std::getline(line, command);
      std::cout << (std::system((command + " >&2").c_str()) == 0 ? "ok" : "failed") << std::endl;
    } else if (verb == "open") {
      transport_ = need(open_transport("ucx", TransportOptions{}));
      region_ = need(transport_->allocate(kRegionBytes, MemoryKind::kHost));
      std::cout << to_hex(transport_->address()) << " "
                << to_hex(need(transport_->export_region(region_))) << std::endl;
    } else if (verb == "send") {
      std::string address;
      std::string key;
      line >> address >> key;
      need(transport_->connect(1, from_hex(address)));
      card_.emplace(need(NicCounters::open("tcp/eth0")));
      target_ = need(transport_->import_region(1, from_hex(key)));
      std::cout << "ok" << std::endl;
    } else if (verb == "portions") {
      line >> portion_bytes_ >> rest_us_;
      meter_.dropped(waiting_, transport_->now_us());
      waiting_ = 0;
      std::cout << "ok" << std::endl;
    } else if (verb == "flood") {
      std::string host;
      line >> flood_bytes_per_s_ >> host;
      flood_to_.sin_family = AF_INET;
      flood_to_.sin_port = htons(9);
      ::inet_pton(AF_INET, host.c_str(), &flood_to_.sin_addr);
      if (socket_ < 0) socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
      flooded_us_ = transport_->now_us();
      std::cout << "ok" << std::endl;
    } else if (verb == "run") {
      std::int64_t us = 0;
      line >> us;
      answer_us_ = transport_->now_us() + us;
    } else if (verb == "count") {
      const std::uint64_t others = datagrams_received();
      const std::uint64_t ours = statistic("rx_packets") - others;
      std::cout << transport_->now_us() << " "
                << statistic("rx_bytes") - kDatagramFrameBytes * others - kHeaderBytes * ours << " "
                << kDatagramBytes * others << std::endl;
    } else {
      fail("there is no command " + verb);
    }
  }

  void post() {
    const std::int64_t now_us = transport_->now_us();
    if (portion_bytes_ == 0) {
      if (waiting_ < kQueuedBytes) queue(kQueuedBytes, now_us);
    } else if (waiting_ == 0 && writes_.empty() && now_us >= rested_us_) {
      queue(portion_bytes_, now_us);
    }
    const Pace pace = pace_for(meter_.estimate(now_us));
    while (on_link_ < pace.window_bytes && waiting_ != 0) {
      const std::size_t bytes = std::min(pace.chunk_bytes, waiting_);
      if (offset_ + bytes > kRegionBytes) offset_ = 0;
      need(transport_->write(*target_, offset_, Bytes(region_.data + offset_, bytes), ++last_));
      writes_[last_] = {bytes, now_us};
      offset_ += bytes;
      on_link_ += bytes;
      waiting_ -= bytes;
    }
  }

  void queue(std::size_t bytes, std::int64_t now_us) {
    waiting_ += bytes;
    meter_.queued(bytes, now_us);
  }

  void complete(const Completion& completion) {
    if (completion.kind == CompletionKind::kPeerLost) fail("the peer is lost");
    need(completion.status);
    const std::int64_t now_us = transport_->now_us();
    const auto operation = writes_.find(completion.operation);
    if (operation == writes_.end()) return;
    const Write write = operation->second;
    writes_.erase(operation);
    if (completion.kind == CompletionKind::kFlushDone) {
      meter_.flushed(write.posted_us, now_us);
      rested_us_ = now_us + rest_us_;
      return;
    }
    on_link_ -= write.bytes;
    meter_.completed(write.bytes, write.posted_us, now_us);
    if (portion_bytes_ == 0 || waiting_ != 0 || !writes_.empty()) return;
    need(transport_->flush(1, ++last_));
    meter_.flushing(0, now_us);
    writes_[last_] = {0, now_us};
  }

  void flood() {
    if (flood_bytes_per_s_ == 0.0) return;
    const std::int64_t now_us = transport_->now_us();
    due_ += static_cast<double>(now_us - flooded_us_) * 1e-6 * flood_bytes_per_s_;
    flooded_us_ = now_us;
    static const std::vector<char> kDatagram(kDatagramBytes);
    for (; due_ >= kDatagramBytes; due_ -= kDatagramBytes) {
      ::sendto(socket_, kDatagram.data(), kDatagram.size(), 0,
               reinterpret_cast<const sockaddr*>(&flood_to_), sizeof(flood_to_));
    }
  }

  void watch() {
    const std::int64_t now_us = transport_->now_us();
    if (now_us - card_us_ >= kCardUs) {
      card_us_ = now_us;
      meter_.nic(need(card_->read()), now_us);
    }
    if (answer_us_ == 0 || now_us < answer_us_) return;
    answer_us_ = 0;
    const LinkEstimate link = meter_.estimate(now_us);
    std::cout << link.free_bytes_per_s << " " << link.capacity_bytes_per_s << " "
              << link.other_bytes_per_s << " " << link.utilization << std::endl;
  }

  std::string input_;
  std::unique_ptr<Transport> transport_;
  std::vector<Completion> completions_{64};
  Region region_;
  std::optional<RemoteRegion> target_;
  std::optional<NicCounters> card_;
  LinkMeter meter_;
  std::map<OperationId, Write> writes_;  // and flushes, of no bytes
  OperationId last_ = 0;
  std::size_t offset_ = 0;
  std::size_t on_link_ = 0;
  std::size_t waiting_ = 0;
  std::size_t portion_bytes_ = 0;  // 0: without end
  std::int64_t rest_us_ = 0;
  std::int64_t rested_us_ = 0;
  std::int64_t card_us_ = 0;
  std::int64_t answer_us_ = 0;
  int socket_ = -1;
  sockaddr_in flood_to_{};
  double flood_bytes_per_s_ = 0.0;
  double due_ = 0.0;
  std::int64_t flooded_us_ = 0;
};

}  // namespace
}  // namespace sluice::comm

int main() {
  if (!sluice::comm::enter_namespace()) {
    std::cout << "no namespace" << std::endl;
    return 0;
  }
  std::cout << "ready" << std::endl;
  sluice::comm::Peer peer;
  while (peer.turn()) {
  }
  // Not the transport's end: the other side may be gone, and is not waited for.
  std::_Exit(0);
}
