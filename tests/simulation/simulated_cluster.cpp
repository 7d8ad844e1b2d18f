// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_cluster.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "tests/simulation/synthetic_model.hpp"

namespace sluice::tests {

using comm::NodeId;
using runtime::Cluster;
using runtime::Hello;
using runtime::Role;

SimulatedCluster::SimulatedCluster(const SimulatedClusterOptions& options)
    : options_(options),
      world_(comm::sim::make_world(options.world)),
      ledger_(std::make_shared<Ledger>(world_, options.compute, options.world.seed)),
      nodes_(1 + options.prefill + options.decode) {
  for (NodeId node = 0; node < nodes(); ++node) open_node(node);
  std::vector<Hello> hellos;
  for (NodeId node = 0; node < nodes(); ++node) hellos.push_back(hello_of(node));
  for (Node& node : nodes_) {
    node.cluster->hellos = hellos;
    connect(*node.cluster);
  }
  for (NodeId node = 0; node < nodes(); ++node) make_worker(node);
  router().begin();
}

SimulatedCluster::~SimulatedCluster() {
  requests_.clear();  // a stream that is dropped speaks to the router
  for (Node& node : nodes_) node.worker.reset();
}

// A process with its memory; it knows nobody yet.
void SimulatedCluster::open_node(NodeId node) {
  auto cluster = std::make_unique<Cluster>();
  cluster->self = node;
  cluster->router = 0;
  cluster->host = "host " + std::to_string(node);
  cluster->transport = comm::sim::open_sim_on(world_, {.self = node}).value();
  const std::size_t bytes = is_prefill(node)  ? options_.staging_bytes
                            : is_decode(node) ? options_.arena_bytes
                                              : 0;
  if (bytes != 0) {
    cluster->memory = cluster->transport->allocate(bytes, comm::MemoryKind::kHost).value();
  }
  nodes_[node].cluster = std::move(cluster);
}

Hello SimulatedCluster::hello_of(NodeId node) const {
  const Cluster& cluster = *nodes_[node].cluster;
  Hello hello;
  hello.protocol_version = runtime::kProtocolVersion;
  hello.role = is_prefill(node) ? Role::kPrefill : is_decode(node) ? Role::kDecode : Role::kRouter;
  hello.host = cluster.host;
  hello.address = cluster.transport->address();
  if (is_decode(node)) hello.arena_key = cluster.transport->export_region(cluster.memory).value();
  return hello;
}

void SimulatedCluster::connect(Cluster& cluster) {
  for (NodeId peer = 0; peer < cluster.hellos.size(); ++peer) {
    if (peer == cluster.self) continue;
    const Hello& hello = cluster.hellos[peer];
    if (!cluster.transport->connect(peer, hello.address)) continue;
    if (cluster.hellos[cluster.self].role != Role::kPrefill || hello.role != Role::kDecode) {
      continue;
    }
    if (auto arena = cluster.transport->import_region(peer, hello.arena_key)) {
      cluster.arenas[peer] = *arena;
    }
  }
}

void SimulatedCluster::make_worker(NodeId id) {
  Node& node = nodes_[id];
  node.has_ended = false;
  node.ready_us = now_us() + options_.compute.load_us;
  if (is_prefill(id)) {
    const auto make = [&](std::function<void(runtime::PrefillEvent)> emit) {
      auto compute = std::make_unique<SyntheticPrefill>(ledger_, std::move(emit));
      node.compute = [runs = compute.get()] { runs->run(); };
      return compute;
    };
    runtime::PrefillWorkerOptions worker;
    worker.chunk_tokens = options_.chunk_tokens;
    worker.prefix_block_tokens = options_.scheduler.prefix_block_tokens;
    worker.levels = options_.levels;
    worker.adapt_levels = options_.scheduler.adapt_levels;
    node.worker = std::make_unique<runtime::PrefillWorker>(*node.cluster, worker,
                                                           synthetic_pipelines(), make);
  } else if (is_decode(id)) {
    const auto make = [&](runtime::KvPool& pool, std::function<void(runtime::DecodeEvent)> emit) {
      auto compute = std::make_unique<SyntheticDecode>(ledger_, pool, std::move(emit));
      node.compute = [runs = compute.get()] { runs->run(); };
      return compute;
    };
    static constexpr runtime::TokenId kEnds[] = {kSyntheticEnd};
    runtime::DecodeWorkerOptions worker;
    worker.vocab = kSyntheticVocab;
    worker.end_tokens = kEnds;
    worker.codec_threads = 0;
    worker.slot_bytes_max = options_.slot_bytes_max;
    worker.prefix_block_tokens = options_.scheduler.prefix_block_tokens;
    worker.prefix_salt = [](const std::string& pipeline) {
      return synthetic_pipelines().prefix_salt(pipeline);
    };
    node.worker = std::make_unique<runtime::DecodeWorker>(
        *node.cluster, worker, synthetic_pipelines().decoder(),
        runtime::KvPool::create(kSyntheticShape, options_.decode_blocks).value(), make);
  } else {
    runtime::RouterOptions router;
    router.limits = {.context_tokens = kSyntheticContext, .vocab = kSyntheticVocab};
    router.on_ready = [this] { is_ready_ = true; };
    router.scheduler = options_.scheduler;
    router.levels = options_.levels;
    router.on_decision = [this](const runtime::DecisionReport& report) {
      if (report.decision.verdict == scheduler::Verdict::kPlace) {
        decisions_.push_back(report.decision);
      }
    };
    node.worker = std::make_unique<runtime::Router>(
        *node.cluster, scheduler::create_policy(options_.policy).value(), std::move(router));
  }
}

void SimulatedCluster::drain(comm::Transport& transport) {
  std::array<comm::Completion, 16> unheard;
  while (transport.poll(unheard) != 0) {
  }
}

bool SimulatedCluster::step() {
  for (NodeId id = 0; id < nodes(); ++id) {
    Node& node = nodes_[id];
    if (node.worker == nullptr || is_frozen(id)) continue;
    if (node.has_ended) {  // its process lingers until its last words are delivered
      drain(*node.cluster->transport);
      continue;
    }
    if (node.compute) node.compute();
    node.has_ended = !node.worker->turn();
    if (!node.has_ended) node.worker->rest();
  }
  for (UserRequest& request : requests_) pull(request);
  return world_->advance();
}

bool SimulatedCluster::run_for(std::int64_t limit_us, const std::function<bool()>& is_done) {
  const std::int64_t end_us = now_us() + limit_us;
  world_->at(end_us, [] {});
  while (!is_done()) {
    if (now_us() >= end_us || !step()) return is_done();
  }
  return true;
}

void SimulatedCluster::pull(UserRequest& request) {
  while (request.stream != nullptr && !request.has_ended() && request.stream->has_next()) {
    auto event = request.stream->next();
    if (!event) {
      request.error = std::move(event).error();
    } else {
      if (event->finish != runtime::FinishReason::kCancelled)
        request.tokens.push_back(event->token);
      request.finish = event->finish;
    }
    if (!request.has_ended()) continue;
    request.ended_us = now_us();
    request.timeline = request.stream->timeline();
  }
}

std::size_t SimulatedCluster::submit(runtime::GenerateRequest asked) {
  UserRequest request;
  request.asked = asked;
  request.submitted_us = now_us();
  auto stream = router().submit(std::move(asked));
  if (stream) {
    request.stream = *std::move(stream);
  } else {
    request.error = stream.error();
    request.ended_us = now_us();
  }
  requests_.push_back(std::move(request));
  return requests_.size() - 1;
}

void SimulatedCluster::cancel(std::size_t request) {
  UserRequest& user = requests_[request];
  if (user.stream == nullptr || user.has_ended()) return;
  user.was_cancelled = true;
  user.stream->cancel();
}

bool SimulatedCluster::all_ended() const {
  return std::all_of(requests_.begin(), requests_.end(),
                     [](const UserRequest& request) { return request.has_ended(); });
}

void SimulatedCluster::kill(NodeId node) {
  if (!is_alive(node)) return;
  world_->kill(node);
  frozen_.erase(node);
  nodes_[node].worker.reset();
  nodes_[node].compute = nullptr;
  nodes_[node].cluster.reset();
}

void SimulatedCluster::set_frozen(NodeId node, bool is_frozen) {
  if (!is_alive(node)) return;
  is_frozen ? void(frozen_.insert(node)) : void(frozen_.erase(node));
  world_->set_frozen(node, is_frozen);
}

void SimulatedCluster::set_partition(NodeId a, NodeId b, bool is_parted) {
  const std::pair<NodeId, NodeId> pair = std::minmax(a, b);
  is_parted ? void(parted_.insert(pair)) : void(parted_.erase(pair));
  world_->set_partition(a, b, is_parted);
}

// As join_running_cluster() does it, with the router asked at once.
Status SimulatedCluster::restart(NodeId node) {
  SLUICE_CHECK(!is_alive(node), "only a dead process's rank can be taken");
  open_node(node);
  Cluster& cluster = *nodes_[node].cluster;
  auto answer = router().take_join(node, hello_of(node));
  if (!answer) {
    nodes_[node].cluster.reset();
    return answer.error();
  }
  cluster.hellos = std::move(answer->hellos);
  connect(cluster);
  make_worker(node);
  return {};
}

bool SimulatedCluster::is_ready(NodeId node) const {
  return is_alive(node) && now_us() >= nodes_[node].ready_us;
}

const runtime::PrefillWorker* SimulatedCluster::prefill(NodeId node) const {
  return is_prefill(node) ? static_cast<const runtime::PrefillWorker*>(nodes_[node].worker.get())
                          : nullptr;
}

const runtime::DecodeWorker* SimulatedCluster::decode(NodeId node) const {
  return is_decode(node) ? static_cast<const runtime::DecodeWorker*>(nodes_[node].worker.get())
                         : nullptr;
}

bool SimulatedCluster::shut_down() {
  router().stop();
  return run_for(15'000'000, [this] {
    return std::all_of(nodes_.begin(), nodes_.end(),
                       [](const Node& node) { return node.worker == nullptr || node.has_ended; });
  });
}

}  // namespace sluice::tests
