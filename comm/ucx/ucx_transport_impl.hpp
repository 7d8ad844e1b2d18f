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
#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {

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
  };
  // An operation UCX has not finished; UCX holds the pointer, and gives it back once.
  struct Operation {
    UcxTransport* transport = nullptr;
    Connection* connection = nullptr;
    CompletionKind kind = CompletionKind::kWriteDone;
    OperationId id = 0;
    RemoteKey key;  // kept until the write is done
    MessageHeader header;
    std::vector<std::byte> payload;
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
  const LocalRegion* region_around(Bytes source) const;
  Status finish_start(void* request, std::unique_ptr<Operation> operation);
  void finish(std::unique_ptr<Operation> operation, ucs_status_t status);
  void retire(std::unique_ptr<Connection> connection);
  void linger(const std::function<bool()>& busy);
  void drop_keys(NodeId peer, std::uint64_t connection_serial);
  void progress();
  void look_for_ended_processes();
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
  std::vector<std::byte> address_;
  int worker_descriptor_ = -1;  // UCX's own
  Descriptor wake_descriptor_;
  std::unordered_map<NodeId, std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> retired_;
  std::unordered_map<std::uint32_t, LocalRegion> regions_;
  std::unordered_map<std::uint32_t, ImportedRegion> imported_;
  std::deque<Completion> completions_;
  std::uint32_t next_region_ = 1;
  std::uint64_t next_connection_ = 1;
  std::size_t incoming_count_ = 0;
  std::chrono::steady_clock::time_point next_look_{};  // for processes that ended
};

}  // namespace sluice::comm::ucx
