// SPDX-License-Identifier: Apache-2.0
// One endpoint's life: opened at the first operation, perhaps lost, then closed and drained.
// Private to the folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "comm/ucx/address.hpp"
#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {

class Connection {
 public:
  // `serial` tells this connection from earlier ones to the same peer.
  Connection(NodeId peer, PeerAddress address, std::uint64_t serial);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Creates the endpoint if there is none yet.
  Status open(ucp_worker_h worker);

  // Starts to cut the endpoint: operations that UCX still has complete with errors.
  void start_close();
  // True once nothing in UCX refers to this connection: it may be destroyed.
  bool is_drained();

  bool is_lost() const { return lost_; }
  bool is_busy() const { return pending_operations_ != 0 && !lost_; }
  bool is_closing() const { return closing_; }
  ucp_ep_h endpoint() const { return endpoint_; }
  NodeId peer() const { return peer_; }
  std::uint64_t serial() const { return serial_; }
  const std::vector<std::byte>& worker_address() const { return address_.worker; }
  // Readable once the peer's process on this host has ended; -1 where nothing watches it.
  int watch_descriptor() const { return watch_.descriptor.number(); }
  void mark_lost(std::string reason);

  // Takes the news of a lost peer, once.
  bool take_loss();
  const std::string& loss_reason() const { return loss_reason_; }

  void operation_started() { ++pending_operations_; }
  void operation_ended() { --pending_operations_; }

  // The transports of the endpoint's lanes as UCX prints them, each once: "posix/memory".
  std::vector<std::string> lanes() const;

 private:
  static void on_error(void* argument, ucp_ep_h endpoint, ucs_status_t status);

  NodeId peer_;
  PeerAddress address_;
  ProcessWatch watch_;
  std::uint64_t serial_;
  ucp_ep_h endpoint_ = nullptr;
  void* close_request_ = nullptr;
  std::size_t pending_operations_ = 0;
  bool lost_ = false;
  bool loss_taken_ = false;
  bool closing_ = false;
  std::string loss_reason_;
};

}  // namespace sluice::comm::ucx
