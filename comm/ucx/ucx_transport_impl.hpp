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
#include "comm/ucx/landings.hpp"
#include "comm/ucx/ucx_handles.hpp"
#include "kernels/core/device_memory.hpp"

namespace sluice::comm::ucx {

// UCX's ids of active messages.
inline constexpr unsigned kMessageId = 1;
inline constexpr unsigned kWriteId = 2;
inline constexpr unsigned kFlushId = 3;
inline constexpr unsigned kFlushAnswerId = 4;

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
  // An operation that is not finished; every part holds the pointer, the last gives it back.
  struct Operation {
    UcxTransport* transport = nullptr;
    Connection* connection = nullptr;
    CompletionKind kind = CompletionKind::kWriteDone;
    OperationId id = 0;
    RemoteKey key;                  // kept until the write is done
    std::vector<std::byte> header;  // of one active message, or of several one after another
    std::vector<std::byte> payload;
    std::size_t parts = 0;  // requests of UCX and answers of the peer that are still to come
    ucs_status_t status = UCS_OK;
  };
  // A peer's question whether its writes have landed.
  struct Asked {
    FlushHeader header;
    std::vector<std::byte> address;  // sealed, of who asks
  };
  // Something for poll().
  struct News {
    Completion completion;
    std::uint64_t instance = 0;  // kMessage: the sender's
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
    std::uint32_t region = 0;  // the owner's id
    MemoryKind kind = MemoryKind::kHost;
    std::vector<std::byte> packed;
    RemoteKey key;  // unpacked by the first write that needs it
  };

  explicit UcxTransport(const TransportOptions& options) : options_(options) {}

  Status start();
  Status start_worker(ucp_worker_h worker, std::uint64_t tag, std::vector<std::byte>& address);
  ucp_worker_h worker_of(Lane lane) const {
    return lane == Lane::kControl && control_worker_ ? control_worker_.get() : worker_.get();
  }
  Result<Connection*> usable_connection(NodeId peer);
  // A connection and the endpoint of its lane.
  struct Way {
    Connection* connection = nullptr;
    ucp_ep_h endpoint = nullptr;
  };
  Result<Way> usable_way(NodeId peer, Lane lane);
  Result<LocalRegion> allocate_host(std::size_t bytes);
  Result<LocalRegion> allocate_device(std::size_t bytes);
  void free_region(const LocalRegion& local);
  const LocalRegion* region_around(Bytes source) const;
  std::unique_ptr<Operation> start_operation(Connection* connection, CompletionKind kind,
                                             OperationId id);
  // Counts UCX's reply to a part just posted.
  void add_part(Operation& operation, void* request);
  Status finish_start(std::unique_ptr<Operation> operation);
  void end_part(Operation* operation, ucs_status_t status);
  void finish(std::unique_ptr<Operation> operation);
  Status unpack_key(ucp_ep_h endpoint, ImportedRegion& imported);
  void put(ucp_ep_h endpoint, const ImportedRegion& target, std::size_t offset_bytes, Bytes source,
           Operation& operation);
  void write_by_messages(ucp_ep_h endpoint, const ImportedRegion& target, std::size_t offset_bytes,
                         Bytes source, Operation& operation);
  void flush_endpoints(Connection& connection, Operation& operation);
  Status ask_for_flush(Connection& connection, Operation& operation);
  void land(const WriteHeader& header, Bytes bytes);
  void answer_flushes();
  Connection* way_back(const Asked& asked);
  void cut(Connection& connection);
  void retire(std::unique_ptr<Connection> connection);
  void linger(const std::function<bool()>& busy);
  void drop_keys(NodeId peer, std::uint64_t connection_serial);
  void drop_messages_of_others(NodeId peer, std::uint64_t instance);
  // What that instance has said before we were connected to it.
  void take_early_messages(NodeId peer, std::uint64_t instance);
  void progress();
  void look_for_ended_processes();
  void report_losses();
  void push(Completion completion) { news_.push_back({std::move(completion), 0}); }

  ucp_request_param_t part_params(Operation& operation);
  static void on_part_done(void* request, ucs_status_t status, void* user_data);
  Status set_handlers(ucp_worker_h worker);
  template <class Header, void (UcxTransport::*handle)(const Header&, Bytes)>
  Status set_handler(ucp_worker_h worker, unsigned id);
  void on_message(const MessageHeader& header, Bytes payload);
  void on_flush_asked(const FlushHeader& header, Bytes address);
  void on_flush_answered(const FlushAnswer& answer, Bytes nothing);

  TransportOptions options_;
  // Before everything that UCX may touch, so destroyed last.
  ContextHandle context_;
  WorkerHandle worker_;
  ContextHandle control_context_;  // null: messages go by worker_ too
  WorkerHandle control_worker_;
  PeerAddress own_;
  std::vector<std::byte> address_;  // own_, sealed
  Descriptor wake_descriptor_;
  EventSet watches_;  // peers' processes
  EventSet sleep_;    // UCX, wake_descriptor_ and watches_
  std::unordered_map<NodeId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> ways_back_;  // by instance
  std::vector<std::unique_ptr<Connection>> retired_;
  Landings landings_;
  std::vector<Asked> asked_;                              // by peers, to be answered
  std::unordered_map<std::uint64_t, Operation*> asking_;  // flushes that a peer will answer
  std::unique_ptr<DeviceMemory> device_;  // made for the first region of device memory
  std::unordered_map<std::uint32_t, LocalRegion> regions_;
  std::unordered_map<std::uint32_t, ImportedRegion> imported_;
  std::deque<News> news_;
  static constexpr std::size_t kEarlyMax = 1024;  // far more than a worker says while it joins
  std::deque<News> early_;  // of instances that we are not connected to, under a connected name
  std::uint32_t next_region_ = 1;
  std::uint64_t next_connection_ = 1;
  std::uint64_t next_flush_ = 1;
  bool is_loss_pending_ = false;   // progress is to go on: wait() does not sleep for long
  std::int64_t next_look_us_ = 0;  // for processes that ended
};

}  // namespace sluice::comm::ucx
