// SPDX-License-Identifier: Apache-2.0
#include "comm/loopback/loopback.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>

namespace sluice::comm::loopback {
namespace {

constexpr std::uint32_t kAddressMagic = 0x4c424c53;  // "SLBL"
constexpr std::uint32_t kKeyMagic = 0x4b424c53;      // "SLBK"

struct Memory {
  std::unique_ptr<std::byte[]> data;
  std::size_t bytes = 0;
};

// What other threads may touch of a transport.
struct Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  // All below are guarded by the mutex.
  struct News {
    Completion completion;
    std::uint64_t sender = 0;  // kMessage: its token
  };
  std::deque<News> news;
  // Of instances that have a node's name already, while we are connected to another one.
  static constexpr std::size_t kEarlyMax = 1024;  // far more than a node says while it joins
  std::deque<News> early;
  std::unordered_map<std::uint32_t, std::shared_ptr<Memory>> regions;
  bool is_woken = false;
  bool is_dead = false;
  struct Watcher {
    std::weak_ptr<Mailbox> mailbox;
    NodeId name = 0;               // what the watcher calls us
    std::uint64_t connection = 0;  // the watcher's
  };
  std::vector<Watcher> watchers;
  struct OpenConnection {
    std::uint64_t serial = 0;
    std::uint64_t token = 0;  // the peer's
  };
  // Peers whose loss would be news.
  std::unordered_map<NodeId, OpenConnection> open_connections;

  void push(Completion completion) {
    {
      const std::lock_guard lock(mutex);
      news.push_back({std::move(completion), 0});
    }
    changed.notify_one();
  }

  // What another instance than the one we are connected to says in a node's name waits for us to
  // connect to it.
  void push_message(Completion message, std::uint64_t token) {
    {
      const std::lock_guard lock(mutex);
      const auto open = open_connections.find(message.peer);
      const bool is_other = open != open_connections.end() && open->second.token != token;
      (is_other ? early : news).push_back({std::move(message), token});
      if (early.size() > kEarlyMax) early.pop_front();
    }
    changed.notify_one();
  }

  // Of `peer`, only what the instance that we are connected to now has said is heard.
  void choose(NodeId peer, std::uint64_t token) {
    const auto is_of_peer = [&](const News& one) {
      return one.completion.kind == CompletionKind::kMessage && one.completion.peer == peer;
    };
    std::erase_if(news, [&](const News& one) { return is_of_peer(one) && one.sender != token; });
    for (News& one : early) {
      if (is_of_peer(one) && one.sender == token) news.push_back(std::move(one));
    }
    std::erase_if(early, is_of_peer);
  }

  // Reports that `peer` is lost, unless that connection was closed or replaced meanwhile.
  void lose(NodeId peer, std::uint64_t connection) {
    const std::lock_guard lock(mutex);
    const auto open = open_connections.find(peer);
    if (open == open_connections.end() || open->second.serial != connection) return;
    open_connections.erase(open);
    Completion lost;
    lost.kind = CompletionKind::kPeerLost;
    lost.peer = peer;
    lost.status = make_error(ErrorCode::kUnavailable, "peer " + std::to_string(peer) + " is lost");
    lost.fate = PeerFate::kGone;
    news.push_back({std::move(lost), 0});
    changed.notify_one();
  }
};

}  // namespace

class Hub {
 public:
  void add(std::uint64_t token, std::shared_ptr<Mailbox> mailbox) {
    const std::lock_guard lock(mutex_);
    mailboxes_[token] = std::move(mailbox);
  }
  void remove(std::uint64_t token) {
    const std::lock_guard lock(mutex_);
    mailboxes_.erase(token);
  }
  // Null when that transport is gone.
  std::shared_ptr<Mailbox> find(std::uint64_t token) {
    const std::lock_guard lock(mutex_);
    const auto found = mailboxes_.find(token);
    return found == mailboxes_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Mailbox>> mailboxes_;
};

namespace {

// Never reused, so an old address cannot reach a new transport.
std::uint64_t next_token() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

class LoopbackTransport final : public Transport {
 public:
  LoopbackTransport(std::shared_ptr<Hub> hub, const TransportOptions& options)
      : hub_(std::move(hub)), options_(options), token_(next_token()) {
    hub_->add(token_, mailbox_);
  }
  ~LoopbackTransport() override;

  NodeId self() const override { return options_.self; }
  std::vector<std::byte> address() const override {
    ByteWriter writer;
    writer.put(kAddressMagic);
    writer.put(token_);
    return writer.take();
  }
  Status connect(NodeId peer, Bytes address) override;
  Result<Region> allocate(std::size_t bytes, MemoryKind kind) override;
  void release(const Region& region) override;
  Result<std::vector<std::byte>> export_region(const Region& region) override;
  Result<RemoteRegion> import_region(NodeId peer, Bytes key) override;
  void forget_region(const RemoteRegion& region) override { imported_.erase(region.id); }
  Status write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               OperationId operation) override;
  Status flush(NodeId peer, OperationId operation) override;
  Status send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) override;
  std::size_t poll(std::span<Completion> completions) override;
  void wait(std::chrono::milliseconds timeout) override;
  void wake() override;
  void close(NodeId peer) override;
  std::vector<std::string> lanes(NodeId peer) const override {
    if (!connections_.contains(peer)) return {};
    return {"loopback/memory"};
  }

 private:
  struct Connection {
    std::uint64_t token = 0;  // the peer's
    std::uint64_t serial = 0;
    std::shared_ptr<Mailbox> mailbox;  // null: the peer was gone when we connected
  };
  struct Imported {
    NodeId peer = 0;
    std::uint64_t connection = 0;
    std::uint32_t id = 0;  // the owner's
    std::size_t bytes = 0;
  };

  Result<const Connection*> usable_connection(NodeId peer) const;
  // Whether the peer lives and will report its death to us.
  bool watch(const Connection& connection, NodeId peer);
  void complete(CompletionKind kind, NodeId peer, OperationId operation);

  std::shared_ptr<Hub> hub_;
  TransportOptions options_;
  std::uint64_t token_;
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::unordered_map<NodeId, Connection> connections_;
  std::unordered_map<std::uint32_t, Imported> imported_;
  std::uint32_t next_region_ = 1;
  std::uint64_t next_connection_ = 1;
};

LoopbackTransport::~LoopbackTransport() {
  hub_->remove(token_);
  std::vector<Mailbox::Watcher> watchers;
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->is_dead = true;
    mailbox_->regions.clear();
    watchers = std::move(mailbox_->watchers);
  }
  for (const Mailbox::Watcher& watcher : watchers) {
    const auto peer = watcher.mailbox.lock();
    if (peer == nullptr || peer == mailbox_) continue;
    peer->lose(watcher.name, watcher.connection);
  }
}

Status LoopbackTransport::connect(NodeId peer, Bytes address) {
  ByteReader reader(address);
  const auto magic = reader.get<std::uint32_t>();
  const auto token = reader.get<std::uint64_t>();
  if (!magic || *magic != kAddressMagic || !token || reader.remaining() != 0) {
    return make_error(ErrorCode::kInvalidArgument, "these bytes are not a loopback address");
  }
  if (const auto found = connections_.find(peer);
      found != connections_.end() && found->second.token == *token) {
    return {};
  }
  close(peer);
  Connection connection{*token, next_connection_++, hub_->find(*token)};
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->open_connections[peer] = {connection.serial, *token};
    mailbox_->choose(peer, *token);
  }
  // A peer that died before this, or dies while we connect, has nobody left to tell us.
  if (!watch(connection, peer)) mailbox_->lose(peer, connection.serial);
  connections_[peer] = std::move(connection);
  return {};
}

bool LoopbackTransport::watch(const Connection& connection, NodeId peer) {
  if (connection.mailbox == nullptr) return false;
  const std::lock_guard lock(connection.mailbox->mutex);
  if (connection.mailbox->is_dead) return false;
  connection.mailbox->watchers.push_back({mailbox_, peer, connection.serial});
  return true;
}

Result<Region> LoopbackTransport::allocate(std::size_t bytes, MemoryKind kind) {
  if (bytes == 0) return make_error(ErrorCode::kInvalidArgument, "a region needs at least a byte");
  if (kind != MemoryKind::kHost) {
    return make_error(ErrorCode::kUnsupported, "loopback has host memory only");
  }
  auto memory = std::make_shared<Memory>();
  memory->data.reset(new (std::nothrow) std::byte[bytes]());
  memory->bytes = bytes;
  if (memory->data == nullptr) {
    return make_error(ErrorCode::kResourceExhausted,
                      "no memory of " + std::to_string(bytes) + " bytes for a region");
  }
  const Region region{memory->data.get(), bytes, next_region_++, kind};
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->regions[region.id] = std::move(memory);
  return region;
}

void LoopbackTransport::release(const Region& region) {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->regions.erase(region.id);
}

Result<std::vector<std::byte>> LoopbackTransport::export_region(const Region& region) {
  const std::lock_guard lock(mailbox_->mutex);
  const auto found = mailbox_->regions.find(region.id);
  if (found == mailbox_->regions.end()) {
    return make_error(ErrorCode::kNotFound, "only an allocated region can be exported");
  }
  ByteWriter writer;
  writer.put(kKeyMagic);
  writer.put(token_);
  writer.put(region.id);
  writer.put(static_cast<std::uint64_t>(found->second->bytes));
  return writer.take();
}

Result<RemoteRegion> LoopbackTransport::import_region(NodeId peer, Bytes key) {
  const Connection* connection = SLUICE_TRY(usable_connection(peer));
  ByteReader reader(key);
  const auto magic = reader.get<std::uint32_t>();
  const auto token = reader.get<std::uint64_t>();
  const auto id = reader.get<std::uint32_t>();
  const auto bytes = reader.get<std::uint64_t>();
  if (!magic || *magic != kKeyMagic || !token || !id || !bytes || reader.remaining() != 0 ||
      *token != connection->token) {
    return make_error(ErrorCode::kInvalidArgument,
                      "these bytes are not a region key of peer " + std::to_string(peer));
  }
  const std::uint32_t imported_id = next_region_++;
  imported_[imported_id] = {peer, connection->serial, *id, *bytes};
  return RemoteRegion{peer, imported_id, *bytes};
}

Result<const LoopbackTransport::Connection*> LoopbackTransport::usable_connection(
    NodeId peer) const {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) {
    return make_error(ErrorCode::kUnavailable,
                      "peer " + std::to_string(peer) + " is not connected");
  }
  if (const auto& mailbox = found->second.mailbox; mailbox != nullptr) {
    const std::lock_guard lock(mailbox->mutex);
    if (!mailbox->is_dead) return &found->second;
  }
  return make_error(ErrorCode::kUnavailable, "peer " + std::to_string(peer) + " is lost");
}

Status LoopbackTransport::write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
                                OperationId operation) {
  const auto found = imported_.find(target.id);
  if (found == imported_.end()) {
    return make_error(ErrorCode::kInvalidArgument, "a write to a region that was not imported");
  }
  const Imported& imported = found->second;
  if (offset_bytes > imported.bytes || source.size() > imported.bytes - offset_bytes) {
    return make_error(ErrorCode::kInvalidArgument, "a write of " + std::to_string(source.size()) +
                                                       " bytes at " + std::to_string(offset_bytes) +
                                                       " leaves its region of " +
                                                       std::to_string(imported.bytes) + " bytes");
  }
  const Connection* connection = SLUICE_TRY(usable_connection(imported.peer));
  std::shared_ptr<Memory> memory;
  {
    const std::lock_guard lock(connection->mailbox->mutex);
    const auto region = connection->mailbox->regions.find(imported.id);
    if (region != connection->mailbox->regions.end()) memory = region->second;
  }
  if (memory == nullptr || connection->serial != imported.connection) {
    return make_error(ErrorCode::kUnavailable,
                      "a region of peer " + std::to_string(imported.peer) + " is gone");
  }
  // The owner reads after a message that follows a flush: the mailbox's mutex orders the two.
  if (!source.empty()) std::memcpy(memory->data.get() + offset_bytes, source.data(), source.size());
  complete(CompletionKind::kWriteDone, imported.peer, operation);
  return {};
}

Status LoopbackTransport::flush(NodeId peer, OperationId operation) {
  SLUICE_TRY(usable_connection(peer));
  complete(CompletionKind::kFlushDone, peer, operation);
  return {};
}

Status LoopbackTransport::send(NodeId peer, std::uint16_t type, Bytes payload,
                               OperationId operation) {
  const Connection* connection = SLUICE_TRY(usable_connection(peer));
  Completion message;
  message.kind = CompletionKind::kMessage;
  message.peer = options_.self;
  message.type = type;
  message.payload.assign(payload.begin(), payload.end());
  connection->mailbox->push_message(std::move(message), token_);
  complete(CompletionKind::kSendDone, peer, operation);
  return {};
}

void LoopbackTransport::complete(CompletionKind kind, NodeId peer, OperationId operation) {
  if (operation == 0) return;
  Completion completion;
  completion.kind = kind;
  completion.peer = peer;
  completion.operation = operation;
  mailbox_->push(std::move(completion));
}

std::size_t LoopbackTransport::poll(std::span<Completion> completions) {
  const std::lock_guard lock(mailbox_->mutex);
  auto& news = mailbox_->news;
  const std::size_t count = std::min(completions.size(), news.size());
  for (std::size_t i = 0; i < count; ++i) {
    completions[i] = std::move(news.front().completion);
    news.pop_front();
  }
  return count;
}

void LoopbackTransport::wait(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mailbox_->mutex);
  // A deadline far away overflows the clock; a day is as good as for ever.
  const auto limit = std::min<std::chrono::milliseconds>(timeout, std::chrono::hours(24));
  mailbox_->changed.wait_for(lock, limit,
                             [&] { return mailbox_->is_woken || !mailbox_->news.empty(); });
  mailbox_->is_woken = false;
}

void LoopbackTransport::wake() {
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->is_woken = true;
  }
  mailbox_->changed.notify_one();
}

void LoopbackTransport::close(NodeId peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->open_connections.erase(peer);
  }
  if (const auto& mailbox = found->second.mailbox; mailbox != nullptr) {
    const std::lock_guard lock(mailbox->mutex);
    std::erase_if(mailbox->watchers, [&](const Mailbox::Watcher& watcher) {
      return watcher.connection == found->second.serial && watcher.mailbox.lock() == mailbox_;
    });
  }
  connections_.erase(found);
}

}  // namespace

std::shared_ptr<Hub> make_hub() { return std::make_shared<Hub>(); }

Result<std::unique_ptr<Transport>> open_loopback(const TransportOptions& options) {
  static const std::shared_ptr<Hub> hub = make_hub();
  return open_loopback_on(hub, options);
}

Result<std::unique_ptr<Transport>> open_loopback_on(std::shared_ptr<Hub> hub,
                                                    const TransportOptions& options) {
  return std::unique_ptr<Transport>(std::make_unique<LoopbackTransport>(std::move(hub), options));
}

}  // namespace sluice::comm::loopback
