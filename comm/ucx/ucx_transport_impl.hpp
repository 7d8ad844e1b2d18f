// SPDX-License-Identifier: Apache-2.0
// The class behind open_ucx(): one UCX context and worker, used by one thread at a time.
// Private to the folder.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "comm/registry.hpp"
#include "comm/ucx/address.hpp"
#include "comm/ucx/connection.hpp"
#include "comm/ucx/event_set.hpp"
#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {

inline constexpr unsigned kMessageId = 1;  // UCX's active message id

class UcxTransport final : public Transport {
 public:
  static Result<std::unique_ptr<Transport>> create(const TransportOptions& options);
  ~UcxTransport() override;

  NodeId self() const override { return options_.self; }
  std::vector<std::byte> address() const override { return address_; }
  Status connect(NodeId peer, Bytes address) override;
  Result<Region> allocate(std::size_t bytes, MemoryKind kind) override;
  void release(const Region& region) override;
  Result<std::vector<std::byte>> export_region(const Region& region) override;
  Result<RemoteRegion> import_region(NodeId peer, Bytes key) override;
  void forget_region(const RemoteRegion& region) override;
  Status write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
               OperationId operation) override;
  Status flush(NodeId peer, OperationId operation) override;
  Status send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) override;
  std::size_t poll(std::span<Completion> completions) override;
  void wait(std::chrono::milliseconds timeout) override;
  void wake() override;
  void close(NodeId peer) override;
  std::vector<std::string> lanes(NodeId peer) const override;

 private:
  // What precedes every message's payload.
  struct MessageHeader {
    NodeId sender = 0;
    std::uint16_t type = 0;
    std::uint16_t reserved = 0;
    std::uint64_t instance = 0;  // the sender's
  };
  // An operation UCX has not finished; UCX holds the pointer, and gives it back with its last part.
  struct Operation {
    UcxTransport* transport = nullptr;
    Connection* connection = nullptr;
    CompletionKind kind = CompletionKind::kWriteDone;
    OperationId id = 0;
    RemoteKey key;  // kept until the write is done
    MessageHeader header;
    std::vector<std::byte> payload;
    int parts = 1;  // requests of UCX that are not done: a flush has one for each lane
    ucs_status_t status = UCS_OK;
  };
  // Something for poll().
  struct News {
    Completion completion;
    std::uint64_t instance = 0;  // kMessage: the sender's
  };
  // A large message being fetched from its sender.
  struct Incoming {
    UcxTransport* transport = nullptr;
    MessageHeader header;
    std::vector<std::byte> payload;
  };
  struct LocalRegion {
    ucp_mem_h memory = nullptr;
    Region region;
  };
  struct ImportedRegion {
    NodeId peer = 0;
    std::uint64_t connection_serial = 0;
    std::uint64_t address = 0;
    std::size_t bytes = 0;
    RemoteKey key;
  };

  explicit UcxTransport(const TransportOptions& options) : options_(options) {}

  Status start();
  Result<Connection*> usable_connection(NodeId peer);
  // A connection and the endpoint of its lane.
  struct Way {
    Connection* connection = nullptr;
    ucp_ep_h endpoint = nullptr;
  };
  Result<Way> usable_way(NodeId peer, Lane lane);
  const LocalRegion* region_around(Bytes source) const;
  std::unique_ptr<Operation> start_operation(Connection* connection, CompletionKind kind,
                                             OperationId id);
  Status finish_start(void* request, std::unique_ptr<Operation> operation);
  void finish(std::unique_ptr<Operation> operation);
  void retire(std::unique_ptr<Connection> connection);
  void linger(const std::function<bool()>& busy);
  void drop_keys(NodeId peer, std::uint64_t connection_serial);
  void drop_messages_of_others(NodeId peer, std::uint64_t instance);
  void progress();
  void look_for_ended_processes();
  void report_losses(bool was_idle);
  void push(Completion completion) { news_.push_back({std::move(completion), 0}); }
  void push_message(const MessageHeader& header, std::vector<std::byte> payload);

  static void on_operation_done(void* request, ucs_status_t status, void* user_data);
  static void on_data_received(void* request, ucs_status_t status, std::size_t bytes,
                               void* user_data);
  static ucs_status_t on_message(void* argument, const void* header, std::size_t header_bytes,
                                 void* data, std::size_t bytes, const ucp_am_recv_param_t* params);

  TransportOptions options_;
  // Before everything that UCX may touch, so destroyed last.
  ContextHandle context_;
  WorkerHandle worker_;
  std::uint64_t instance_ = 0;
  std::vector<std::byte> address_;
  Descriptor wake_descriptor_;
  EventSet watches_;  // peers' processes
  EventSet sleep_;    // UCX, wake_descriptor_ and watches_
  std::unordered_map<NodeId, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> retired_;
  std::unordered_map<std::uint32_t, LocalRegion> regions_;
  std::unordered_map<std::uint32_t, ImportedRegion> imported_;
  std::deque<News> news_;
  std::uint32_t next_region_ = 1;
  std::uint64_t next_connection_ = 1;
  std::size_t incoming_count_ = 0;
  bool is_loss_pending_ = false;   // progress is to go on: wait() does not sleep for long
  std::int64_t next_look_us_ = 0;  // for processes that ended
};

}  // namespace sluice::comm::ucx
