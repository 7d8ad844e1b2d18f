// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_probe.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace sluice::launch {
namespace {

using comm::Completion;
using comm::CompletionKind;

constexpr std::size_t kBlocks[] = {64 << 10, 1 << 20, 16 << 20};
constexpr std::size_t kRegionBytes = 16 << 20;
constexpr int kBatches = 3;  // of puts that fit into a size's time
constexpr std::size_t kRoundsMax = 9;
// A link that needs longer for the largest block has told enough with the smaller ones.
constexpr double kBlockSecondsMax = 4.0;
constexpr std::size_t kPings = 100;

// Messages between the two.
constexpr std::uint16_t kPing = 1;
constexpr std::uint16_t kPong = 2;
constexpr std::uint16_t kYourTurn = 3;  // with the sender's DirectionFacts
constexpr std::uint16_t kEnd = 4;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

Result<PairProbe> PairProbe::open(std::unique_ptr<comm::Transport> transport, SideFacts mine,
                                  const PairPatience& patience) {
  PairProbe probe;
  probe.peer_ = transport->self() == kSideA ? kSideB : kSideA;
  probe.region_ = SLUICE_TRY(transport->allocate(kRegionBytes, MemoryKind::kHost));
  probe.transport_ = std::move(transport);
  probe.mine_ = std::move(mine);
  probe.patience_ = patience;
  return probe;
}

Result<std::vector<std::byte>> PairProbe::hello() {
  const std::vector<std::byte> address = transport_->address();
  const std::vector<std::byte> key = SLUICE_TRY(transport_->export_region(region_));
  ByteWriter writer;
  writer.put_array(Bytes(address));
  writer.put_array(Bytes(key));
  put_side(writer, mine_);
  return writer.take();
}

Status PairProbe::meet(Bytes hello) {
  ByteReader reader(hello);
  const auto address = SLUICE_TRY(reader.get_array<std::byte>());
  const auto key = SLUICE_TRY(reader.get_array<std::byte>());
  other_ = SLUICE_TRY(get_side(reader));
  SLUICE_TRY(transport_->connect(peer_, address));
  remote_ = SLUICE_TRY(transport_->import_region(peer_, key));
  return {};
}

// The next completion, or why there is none.
Result<Completion> PairProbe::next() {
  const std::int64_t limit_us = transport_->now_us() + patience_.silence_us;
  Completion completion;
  while (transport_->poll({&completion, 1}) == 0) {
    if (transport_->now_us() > limit_us) {
      return make_error(ErrorCode::kTimeout,
                        fmt::format("{} said nothing to {} for {} s: its process hangs, or the "
                                    "network between them drops what is sent",
                                    other_.name, mine_.name, patience_.silence_us / 1000000));
    }
    transport_->wait(std::chrono::milliseconds(100));
  }
  if (completion.kind == CompletionKind::kPeerLost || !completion.status) {
    return make_error(ErrorCode::kUnavailable,
                      fmt::format("the process on {} is lost to the one on {}: {}", other_.name,
                                  mine_.name, completion.status.error().message));
  }
  return completion;
}

Result<Completion> PairProbe::next_message() {
  for (;;) {
    Completion completion = SLUICE_TRY(next());
    if (completion.kind == CompletionKind::kMessage) return completion;
  }
}

// From the first post until all is visible on the other side.
Result<double> PairProbe::put_seconds(std::size_t block_bytes, std::size_t count) {
  const std::int64_t start_us = transport_->now_us();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = i * block_bytes;
    SLUICE_TRY(transport_->write(remote_, at, {region_.data + at, block_bytes}, 1));
  }
  SLUICE_TRY(transport_->flush(peer_, 2));
  for (std::size_t open = count + 1; open != 0;) {
    const Completion completion = SLUICE_TRY(next());
    if (completion.kind != CompletionKind::kMessage) --open;
  }
  return static_cast<double>(std::max<std::int64_t>(transport_->now_us() - start_us, 1)) / 1e6;
}

// Bytes per second. `block_seconds`: of one block alone.
Result<double> PairProbe::put_rate(std::size_t block_bytes, double* block_seconds) {
  SLUICE_TRY(put_seconds(block_bytes, 1));  // connects, warms up
  *block_seconds = SLUICE_TRY(put_seconds(block_bytes, 1));
  const double size_seconds = static_cast<double>(patience_.size_us) / 1e6;
  const auto fitting = static_cast<std::size_t>(size_seconds / kBatches / *block_seconds);
  const std::size_t count = std::clamp<std::size_t>(fitting, 1, kRegionBytes / block_bytes);
  std::vector<double> rates;
  double spent_seconds = 0;
  while (rates.size() < kRoundsMax && (rates.empty() || spent_seconds < size_seconds)) {
    const double seconds = SLUICE_TRY(put_seconds(block_bytes, count));
    spent_seconds += seconds;
    rates.push_back(static_cast<double>(block_bytes * count) / seconds);
  }
  return median(std::move(rates));
}

Result<double> PairProbe::round_trip_us() {
  std::vector<double> times_us;
  for (std::size_t i = 0; i < kPings; ++i) {
    const std::int64_t start_us = transport_->now_us();
    SLUICE_TRY(transport_->send(peer_, kPing, {}));
    const Completion answer = SLUICE_TRY(next_message());
    if (answer.type != kPong) {
      return make_error(ErrorCode::kCorrupt, other_.name + " does not speak this protocol");
    }
    times_us.push_back(static_cast<double>(transport_->now_us() - start_us));
  }
  return median(std::move(times_us));
}

// From this side to the other.
Result<DirectionFacts> PairProbe::measure() {
  DirectionFacts facts;
  double block_seconds = 0;
  std::size_t last_block = kBlocks[0];
  for (const std::size_t block : kBlocks) {
    const double grown = static_cast<double>(block) / static_cast<double>(last_block);
    if (block_seconds * grown > kBlockSecondsMax) break;
    const double rate = SLUICE_TRY(put_rate(block, &block_seconds));
    facts.puts.push_back({block, rate});
    last_block = block;
  }
  facts.round_trip_us = SLUICE_TRY(round_trip_us());
  facts.lanes = transport_->lanes(peer_);
  return facts;
}

Status PairProbe::answer_until_turn() {
  for (;;) {
    const Completion message = SLUICE_TRY(next_message());
    if (message.type == kYourTurn) return {};
    if (message.type == kPing) SLUICE_TRY(transport_->send(peer_, kPong, {}));
  }
}

Result<PairFacts> PairProbe::run_a(Bytes hello_of_b) {
  SLUICE_TRY(meet(hello_of_b));
  PairFacts pair;
  pair.a = mine_;
  pair.b = other_;
  pair.a_to_b = SLUICE_TRY(measure());
  SLUICE_TRY(transport_->send(peer_, kYourTurn, {}));
  for (;;) {
    const Completion message = SLUICE_TRY(next_message());
    if (message.type == kPing) SLUICE_TRY(transport_->send(peer_, kPong, {}));
    if (message.type != kYourTurn) continue;
    pair.b_to_a = SLUICE_TRY(unpack_direction(message.payload));
    break;
  }
  SLUICE_TRY(transport_->send(peer_, kEnd, {}, 3));
  return pair;
}

Status PairProbe::run_b(Bytes hello_of_a) {
  SLUICE_TRY(meet(hello_of_a));
  SLUICE_TRY(answer_until_turn());
  const DirectionFacts facts = SLUICE_TRY(measure());
  SLUICE_TRY(transport_->send(peer_, kYourTurn, pack_direction(facts)));
  while (SLUICE_TRY(next_message()).type != kEnd) {
  }
  return {};
}

}  // namespace sluice::launch
