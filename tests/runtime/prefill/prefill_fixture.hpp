// SPDX-License-Identifier: Apache-2.0
// A prefill worker in a simulated world, between a router and decode workers that the test plays,
// with a computation that does what the test says.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "comm/sim/sim.hpp"
#include "runtime/prefill/prefill_worker.hpp"
#include "runtime/transfer/checksum.hpp"

namespace sluice::runtime::testing {

inline constexpr comm::NodeId kRouterNode = 0;
inline constexpr comm::NodeId kPrefillNode = 1;
inline constexpr comm::NodeId kDecodeNode = 2;
inline constexpr comm::NodeId kOtherNode = 3;  // another decode worker
inline constexpr std::int64_t kTokens = 40;
inline constexpr std::size_t kArenaBytes = std::size_t{1} << 20;

class PlayedCompute final : public PrefillCompute {
 public:
  explicit PlayedCompute(std::function<void(PrefillEvent)> emit) : emit_(std::move(emit)) {}

  void submit(PrefillJob job) override {
    const RequestId id = job.submit.request;
    jobs[id] = std::move(job);
  }
  void cancel(RequestId request) override { cancelled.push_back(request); }

  // In place of random bytes: writes frame number `index` of the job's plan, says what it is.
  std::function<MadeFrame(const PrefillJob& job, std::size_t index)> make_frame;

  void tell(PrefixesMessage prefixes) { emit_({0, PrefillEvent::Prefixes{std::move(prefixes)}}); }
  void load() { emit_({0, PrefillEvent::Loaded{1.0, true, {}}}); }
  // The next frames of the plan, of random bytes.
  void make(RequestId id, std::size_t count = ~std::size_t{0}) {
    const PrefillJob& job = jobs.at(id);
    for (std::size_t& next = made[id]; count > 0 && next < job.plan.frames.size(); --count) {
      const PlannedFrame& frame = job.plan.frames[next];
      if (make_frame) {
        emit_made(job, make_frame(job, next++));
        continue;
      }
      ++next;
      Piece piece;
      piece.range = frame.range();
      piece.first_token = frame.first_token;
      piece.last_token = frame.last_token;
      piece.offset_bytes = frame.offset;
      piece.bytes = frame.bytes_max - random_() % 64;
      piece.checksum = random_();
      const MutableBytes bytes = job.staging.subspan(frame.offset, piece.bytes);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
      sums[id] = fold_checksum(sums[id], piece.checksum);
      contents[piece.checksum].assign(bytes.begin(), bytes.end());
      emit_({id, PrefillEvent::PieceReady{piece, frame.bytes_max}});
    }
  }
  void finish(RequestId id) {
    make(id);
    ManifestMessage manifest;
    manifest.request = id;
    manifest.prompt_tokens = static_cast<std::int64_t>(jobs.at(id).submit.prompt.size());
    manifest.timeline.prefill_us = prefill_us;
    jobs.erase(id);
    emit_({id, PrefillEvent::Finished{std::move(manifest)}});
  }
  void fail(RequestId id, ErrorCode code, const char* message) {
    jobs.erase(id);
    emit_({id, PrefillEvent::Failed{make_error(code, message)}});
  }

  std::map<RequestId, PrefillJob> jobs;  // not ended
  std::map<RequestId, std::size_t> made;
  std::map<RequestId, std::uint64_t> sums;
  std::map<std::uint64_t, std::vector<std::byte>> contents;  // of frames, by checksum
  std::vector<RequestId> cancelled;
  std::int64_t prefill_us = 0;  // that it took, as manifests say

 private:
  void emit_made(const PrefillJob& job, const MadeFrame& frame) {
    Piece piece;
    piece.range = frame.place.range();
    piece.first_token = frame.place.first_token;
    piece.last_token = frame.place.last_token;
    piece.offset_bytes = frame.place.offset;
    piece.bytes = frame.bytes;
    piece.checksum = frame.checksum;
    const MutableBytes bytes = job.staging.subspan(piece.offset_bytes, piece.bytes);
    contents[piece.checksum].assign(bytes.begin(), bytes.end());
    emit_({job.submit.request, PrefillEvent::PieceReady{piece, frame.place.bytes_max,
                                                        frame.encode_us, frame.pipeline}});
  }

  std::function<void(PrefillEvent)> emit_;
  std::mt19937_64 random_{7};
};

class PrefillFixture : public ::testing::Test {
 protected:
  using Message = std::pair<MessageType, std::vector<std::byte>>;
  struct Peer {
    std::unique_ptr<comm::Transport> transport;
    comm::Region arena;
    // Not yet asked for; beats are answered, links and statuses are apart.
    std::vector<Message> messages;
    std::vector<LinksMessage> links;
    std::vector<StatusMessage> statuses;
    bool is_frozen = false;
  };

  explicit PrefillFixture(std::int64_t tokens = kTokens,
                          const std::function<scheduler::LevelTable(PipelineSet&)>& levels = {}) {
    PipelineSetOptions options;
    options.shape = {.layers = 4, .kv_heads = 2, .head_dim = 64, .rope = {}};
    options.presets = SLUICE_SOURCE_DIR "/configs/pipelines";
    pipelines = PipelineSet::create("raw", std::move(options)).value();
    plan = plan_frames(*pipelines->standard(), tokens, 16);
    cluster.self = kPrefillNode;
    cluster.router = kRouterNode;
    cluster.transport = comm::sim::open_sim_on(world, {.self = kPrefillNode}).value();
    // Room for one request: staging memory that is not given back shows at once.
    staging_bytes = (plan.bytes + 255) / 256 * 256;
    if (levels) staging_bytes *= 2;  // what levels need beside their rows
    cluster.memory = cluster.transport->allocate(staging_bytes, comm::MemoryKind::kHost).value();
    cluster.hellos.resize(4);
    cluster.hellos[kPrefillNode].role = Role::kPrefill;
    for (const comm::NodeId node : {kDecodeNode, kOtherNode}) {
      cluster.hellos[node].role = Role::kDecode;
    }
    for (const comm::NodeId node : {kRouterNode, kDecodeNode, kOtherNode}) {
      open(node);
      EXPECT_TRUE(cluster.transport->connect(node, peers[node].transport->address()).has_value());
      if (node == kRouterNode) continue;
      cluster.arenas[node] = cluster.transport->import_region(node, arena_key(node)).value();
    }
    PrefillWorkerOptions worker_options{.chunk_tokens = 16, .push = {}, .prefix_block_tokens = 32};
    if (levels) {
      worker_options.levels = std::make_shared<const scheduler::LevelTable>(levels(*pipelines));
    }
    worker = std::make_unique<PrefillWorker>(cluster, std::move(worker_options), *pipelines,
                                             [this](std::function<void(PrefillEvent)> emit) {
                                               auto made =
                                                   std::make_unique<PlayedCompute>(std::move(emit));
                                               compute = made.get();
                                               return made;
                                             });
    compute->load();
    EXPECT_TRUE(LoadingMessage::decode(next(kRouterNode, MessageType::kLoading))->ready);
  }

  // A new process behind `node`, which knows the worker.
  void open(comm::NodeId node) {
    Peer& peer = peers[node];
    peer.messages.clear();
    peer.transport = comm::sim::open_sim_on(world, {.self = node}).value();
    peer.arena = peer.transport->allocate(kArenaBytes, comm::MemoryKind::kHost).value();
    EXPECT_TRUE(peer.transport->connect(kPrefillNode, cluster.transport->address()).has_value());
  }
  std::vector<std::byte> arena_key(comm::NodeId node) {
    return peers[node].transport->export_region(peers[node].arena).value();
  }
  // The router says that `node` is another process.
  void join(comm::NodeId node) {
    Hello hello = cluster.hellos[node];
    ++hello.incarnation;
    hello.address = peers[node].transport->address();
    hello.arena_key = arena_key(node);
    send(kRouterNode, MessageType::kJoined, JoinedMessage{node, hello.encode()});
  }

  // Everybody's turn, then on to the next moment.
  void turn() {
    if (!has_ended) has_ended = !worker->turn();
    for (auto& [node, peer] : peers) {
      if (peer.transport != nullptr && !peer.is_frozen) poll(peer);
    }
    has_ended ? cluster.transport->wait(std::chrono::milliseconds(100)) : worker->rest();
    world->advance();
  }
  void poll(Peer& peer) {
    std::vector<comm::Completion> some(64);
    const std::size_t count = peer.transport->poll(some);
    for (std::size_t i = 0; i < count; ++i) {
      if (some[i].kind != comm::CompletionKind::kMessage) continue;
      const auto type = static_cast<MessageType>(some[i].type);
      if (type == MessageType::kBeat) {
        auto beat = BeatMessage::decode(some[i].payload).value();
        if (beat.is_echo) continue;
        beat.is_echo = true;
        (void)peer.transport->send(kPrefillNode, some[i].type, beat.encode());
      } else if (type == MessageType::kLinks) {
        peer.links.push_back(LinksMessage::decode(some[i].payload).value());
      } else if (type == MessageType::kStatus) {
        peer.statuses.push_back(StatusMessage::decode(some[i].payload).value());
      } else {
        peer.messages.emplace_back(type, std::move(some[i].payload));
      }
    }
    peer.transport->wait(std::chrono::milliseconds(100));
  }
  void run_for(std::int64_t us) {
    const std::int64_t end_us = world->now_us() + us;
    world->at(end_us, [] {});  // no step leads beyond it
    while (world->now_us() < end_us) turn();
  }
  Message next(comm::NodeId node) {
    Peer& peer = peers[node];
    for (int i = 0; i < 10'000 && peer.messages.empty(); ++i) turn();
    if (peer.messages.empty()) {
      ADD_FAILURE() << "no message came to " << node;
      return {};
    }
    Message message = std::move(peer.messages.front());
    peer.messages.erase(peer.messages.begin());
    return message;
  }
  std::vector<std::byte> next(comm::NodeId node, MessageType type) {
    Message message = next(node);
    EXPECT_EQ(message.first, type);
    return std::move(message.second);
  }
  template <class M>
  void send(comm::NodeId from, MessageType type, const M& message) {
    EXPECT_TRUE(
        peers[from]
            .transport->send(kPrefillNode, static_cast<std::uint16_t>(type), message.encode())
            .has_value());
  }

  void submit(RequestId id, comm::NodeId decode = kDecodeNode, std::int64_t tokens = kTokens,
              const std::string& pipeline = {}) {
    SubmitMessage message;
    message.request = id;
    message.decode_node = decode;
    message.tokens_max = 3;
    message.pipeline = pipeline;
    message.prompt.resize(static_cast<std::size_t>(tokens), 5);
    send(kRouterNode, MessageType::kSubmit, message);
  }
  void grant(RequestId id, comm::NodeId from = kDecodeNode) {
    send(from, MessageType::kGrant, GrantMessage{id, 11, 256, plan.bytes});
  }
  WantMessage want(RequestId id, comm::NodeId node = kDecodeNode) {
    const auto message = WantMessage::decode(next(node, MessageType::kWant)).value();
    EXPECT_EQ(message.request, id);
    return message;
  }
  // Takes pieces, whose bytes must be in the arena, until the writer's last word; all of them,
  // where that is a manifest, which may overtake the last ones.
  Message last_word(comm::NodeId node = kDecodeNode) {
    std::size_t pieces = 0;
    Message word;
    const auto is_whole = [&] {
      if (word.second.empty()) return false;
      if (word.first != MessageType::kManifest) return true;
      return pieces >= ManifestMessage::decode(word.second).value().frames;
    };
    while (!is_whole()) {
      Message message = next(node);
      if (message.first != MessageType::kPieces) {
        word = std::move(message);
        if (word.second.empty()) break;
        continue;
      }
      const PiecesMessage announced = PiecesMessage::decode(message.second).value();
      for (const Piece& piece : announced.pieces) {
        ++pieces;
        const auto& content = compute->contents.at(piece.checksum);
        EXPECT_EQ(std::memcmp(peers[node].arena.data + 256 + piece.offset_bytes, content.data(),
                              content.size()),
                  0);
      }
    }
    return word;
  }
  FailedMessage failed(comm::NodeId node) {
    return FailedMessage::decode(next(node, MessageType::kFailed)).value();
  }

  std::shared_ptr<comm::sim::World> world = comm::sim::make_world(comm::sim::WorldOptions{});
  std::unique_ptr<PipelineSet> pipelines;
  FramePlan plan;
  std::size_t staging_bytes = 0;
  std::map<comm::NodeId, Peer> peers;
  Cluster cluster;
  PlayedCompute* compute = nullptr;
  std::unique_ptr<PrefillWorker> worker;
  bool has_ended = false;
};

}  // namespace sluice::runtime::testing
