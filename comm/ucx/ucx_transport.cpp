// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/ucx_transport.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <utility>

#include "comm/ucx/lanes.hpp"
#include "comm/ucx/ucx_transport_impl.hpp"

namespace sluice::comm::ucx {
namespace {

constexpr int kProgressRoundsMax = 64;  // poll() returns to its caller
// How long the destructor lets messages leave. Then connections are cut.
constexpr std::chrono::milliseconds kLingerMax{300};
// A busy loop that never waits still learns of a dead process within this time.
constexpr std::int64_t kLookIntervalUs = 100'000;

// A wait() between the rounds in which a lost peer's fate is found out.
constexpr std::chrono::milliseconds kLossPause{1};

// Members of the set that wait() sleeps on.
enum SleepTag : std::uint64_t { kWorker, kWake, kWatches };

std::string peer_name(NodeId peer) { return "peer " + std::to_string(peer); }

std::uint64_t random_instance() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

Result<std::unique_ptr<Transport>> open_ucx(const TransportOptions& options) {
  return UcxTransport::create(options);
}

Result<std::unique_ptr<Transport>> UcxTransport::create(const TransportOptions& options) {
  std::unique_ptr<UcxTransport> transport(new UcxTransport(options));
  SLUICE_TRY(transport->start());
  return std::unique_ptr<Transport>(std::move(transport));
}

Status UcxTransport::start() {
  wake_descriptor_ = Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (wake_descriptor_.number() < 0) {
    return make_error(ErrorCode::kResourceExhausted,
                      std::string("no event descriptor: ") + std::strerror(errno));
  }
  watches_ = SLUICE_TRY(EventSet::open());
  sleep_ = SLUICE_TRY(EventSet::open());
  SLUICE_TRY(sleep_.add(wake_descriptor_.number(), kWake));
  SLUICE_TRY(sleep_.add(watches_.number(), kWatches));

  context_ = SLUICE_TRY(open_context(options_.cuda));
  worker_ = SLUICE_TRY(open_worker(context_.get()));
  SLUICE_TRY(start_worker(worker_.get(), kWorker, own_.worker));
  control_context_ = SLUICE_TRY(open_control_context(context_.get()));
  if (control_context_ != nullptr) {
    control_worker_ = SLUICE_TRY(open_worker(control_context_.get()));
    SLUICE_TRY(start_worker(control_worker_.get(), kWorker, own_.control));
  }
  const WayKinds kinds = way_kinds(context_resources(context_.get()));
  own_.process = own_identity();
  own_.instance = random_instance();
  own_.has_shared_memory = kinds.shared_memory;
  own_.has_rdma = kinds.rdma;
  address_ = seal_address(own_);
  return {};
}

Status UcxTransport::start_worker(ucp_worker_h worker, std::uint64_t tag,
                                  std::vector<std::byte>& address) {
  SLUICE_TRY(set_handlers(worker));
  int descriptor = -1;  // UCX's own
  ucs_status_t status = ucp_worker_get_efd(worker, &descriptor);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kUnavailable, "UCX cannot sleep with these transports", status);
  }
  SLUICE_TRY(sleep_.add(descriptor, tag));
  ucp_address_t* worker_address = nullptr;
  std::size_t bytes = 0;
  status = ucp_worker_get_address(worker, &worker_address, &bytes);
  if (status != UCS_OK) return ucx_error(ErrorCode::kInternal, "no worker address", status);
  const auto* first = reinterpret_cast<const std::byte*>(worker_address);
  address.assign(first, first + bytes);
  ucp_worker_release_address(worker, worker_address);
  return {};
}

UcxTransport::~UcxTransport() {
  if (worker_ == nullptr) return;
  // First what was posted may leave, then every endpoint is cut.
  for (const auto& [peer, connection] : connections_) {
    if (connection->endpoints().empty() || connection->is_lost()) continue;
    auto leaving = start_operation(connection.get(), CompletionKind::kFlushDone, 0);
    flush_endpoints(*connection, *leaving);
    (void)finish_start(std::move(leaving));
  }
  linger([this] {
    return std::any_of(connections_.begin(), connections_.end(),
                       [](const auto& entry) { return entry.second->is_busy(); });
  });
  for (auto& [peer, connection] : connections_) retire(std::move(connection));
  connections_.clear();
  for (auto& [instance, connection] : ways_back_) retire(std::move(connection));
  ways_back_.clear();
  linger([this] { return !retired_.empty(); });
  imported_.clear();
  for (auto& [id, local] : regions_) free_region(local);
  control_worker_.reset();
  worker_.reset();
}

// Progresses while `busy`, for a bounded time.
void UcxTransport::linger(const std::function<bool()>& busy) {
  const auto end = std::chrono::steady_clock::now() + kLingerMax;
  while (busy() && std::chrono::steady_clock::now() < end) {
    progress();
    news_.clear();
    if (busy()) wait(std::chrono::milliseconds(5));
  }
}

Status UcxTransport::connect(NodeId peer, Bytes address) {
  PeerAddress opened = SLUICE_TRY(open_address(address));
  auto& connection = connections_[peer];
  if (connection != nullptr) {
    if (!connection->is_lost() && connection->address().instance == opened.instance) return {};
    landings_.give_up(connection->address().instance);
    retire(std::move(connection));
  }
  drop_messages_of_others(peer, opened.instance);
  take_early_messages(peer, opened.instance);
  connection =
      std::make_unique<Connection>(peer, std::move(opened), next_connection_++, own_, &watches_);
  return {};
}

Result<Connection*> UcxTransport::usable_connection(NodeId peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) {
    return make_error(ErrorCode::kUnavailable, peer_name(peer) + " is not connected");
  }
  Connection* connection = found->second.get();
  if (connection->is_lost()) {
    return make_error(ErrorCode::kUnavailable,
                      peer_name(peer) + " is lost: " + connection->loss().reason());
  }
  return connection;
}

Result<UcxTransport::Way> UcxTransport::usable_way(NodeId peer, Lane lane) {
  Connection* connection = SLUICE_TRY(usable_connection(peer));
  return Way{connection, SLUICE_TRY(connection->open(worker_of(lane), lane))};
}

void UcxTransport::retire(std::unique_ptr<Connection> connection) {
  connection->stop_watching();
  cut(*connection);
  retired_.push_back(std::move(connection));
}

// Operations that are pending end with errors.
void UcxTransport::cut(Connection& connection) {
  drop_keys(connection.peer(), connection.serial());
  connection.start_close();
  for (auto at = asking_.begin(); at != asking_.end();) {
    Operation* operation = at->second;
    if (operation->connection != &connection) {
      ++at;
      continue;
    }
    at = asking_.erase(at);
    end_part(operation, UCS_ERR_CANCELED);
  }
}

// Keys go before the endpoint they were unpacked for; writes in flight hold theirs.
void UcxTransport::drop_keys(NodeId peer, std::uint64_t connection_serial) {
  for (auto& [id, imported] : imported_) {
    if (imported.peer == peer && imported.connection_serial == connection_serial) {
      imported.key.reset();
    }
  }
}

void UcxTransport::drop_messages_of_others(NodeId peer, std::uint64_t instance) {
  std::erase_if(news_, [&](const News& news) {
    return news.completion.kind == CompletionKind::kMessage && news.completion.peer == peer &&
           news.instance != instance;
  });
}

void UcxTransport::take_early_messages(NodeId peer, std::uint64_t instance) {
  for (News& news : early_) {
    if (news.completion.peer == peer && news.instance == instance) news_.push_back(std::move(news));
  }
  std::erase_if(early_, [&](const News& news) { return news.completion.peer == peer; });
}

void UcxTransport::progress() {
  // Each worker's turn: one that has much to do does not keep the other waiting.
  bool is_busy = true;
  for (int round = 0; round < kProgressRoundsMax && is_busy; ++round) {
    is_busy = ucp_worker_progress(worker_.get()) != 0;
    if (control_worker_) is_busy |= ucp_worker_progress(control_worker_.get()) != 0;
  }
  if (const std::int64_t now_us = this->now_us(); now_us >= next_look_us_) {
    next_look_us_ = now_us + kLookIntervalUs;
    look_for_ended_processes();
  }
  if (!asked_.empty()) answer_flushes();
  report_losses();
  if (!retired_.empty()) {
    std::erase_if(retired_, [](const auto& connection) { return connection->is_drained(); });
  }
}

void UcxTransport::look_for_ended_processes() {
  std::array<std::uint64_t, 8> serials{};
  // Whoever is found leaves the set.
  while (const std::size_t count = watches_.wait(std::chrono::milliseconds(0), serials)) {
    for (std::size_t i = 0; i < count; ++i) {
      for (auto& [peer, connection] : connections_) {
        if (connection->serial() == serials[i]) connection->end_process();
      }
    }
  }
}

void UcxTransport::report_losses() {
  is_loss_pending_ = false;
  for (auto& [peer, connection] : connections_) {
    if (!connection->is_lost()) continue;
    if (!connection->is_closing()) {
      landings_.give_up(connection->address().instance);
      cut(*connection);
    }
    PeerLoss& loss = connection->loss();
    const auto fate = loss.take_report(now_us());
    is_loss_pending_ |= loss.is_pending();
    if (!fate) continue;
    Completion completion;
    completion.kind = CompletionKind::kPeerLost;
    completion.peer = peer;
    completion.status =
        make_error(ErrorCode::kUnavailable, peer_name(peer) + " is lost: " + loss.reason());
    completion.fate = *fate;
    push(std::move(completion));
  }
  for (auto at = ways_back_.begin(); at != ways_back_.end();) {
    if (!at->second->is_lost()) {
      ++at;
      continue;
    }
    retire(std::move(at->second));
    at = ways_back_.erase(at);
  }
}

std::size_t UcxTransport::poll(std::span<Completion> completions) {
  progress();
  const std::size_t count = std::min(completions.size(), news_.size());
  for (std::size_t i = 0; i < count; ++i) {
    completions[i] = std::move(news_.front().completion);
    news_.pop_front();
  }
  return count;
}

void UcxTransport::wait(std::chrono::milliseconds timeout) {
  if (!news_.empty()) return;
  // Busy: there are events that poll() has not seen, so there is nothing to sleep for.
  if (ucp_worker_arm(worker_.get()) != UCS_OK) return;
  if (control_worker_ && ucp_worker_arm(control_worker_.get()) != UCS_OK) return;
  if (is_loss_pending_) timeout = std::min(timeout, kLossPause);
  std::array<std::uint64_t, 4> tags{};
  const std::size_t count = sleep_.wait(timeout, tags);
  for (std::size_t i = 0; i < count; ++i) {
    if (tags[i] == kWatches) next_look_us_ = 0;  // the next poll() looks which
    if (tags[i] == kWake) {
      std::uint64_t wakes = 0;
      (void)!::read(wake_descriptor_.number(), &wakes, sizeof(wakes));
    }
  }
}

void UcxTransport::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_descriptor_.number(), &one, sizeof(one));
}

void UcxTransport::close(NodeId peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  std::unique_ptr<Connection> connection = std::move(found->second);
  connections_.erase(found);
  retire(std::move(connection));
}

std::vector<std::string> UcxTransport::lanes(NodeId peer) const {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return {};
  return found->second->lanes();
}

}  // namespace sluice::comm::ucx
