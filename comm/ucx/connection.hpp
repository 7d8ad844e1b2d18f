// SPDX-License-Identifier: Apache-2.0
// The way to one peer: two endpoints, each opened at its first operation; perhaps lost; then closed
// and drained. Private to the folder.
//
// Writes and messages have an endpoint each: over TCP and RDMA an endpoint is a queue, and a
// message must not wait for the writes before it. Either's failure is the peer's loss.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "comm/ucx/address.hpp"
#include "comm/ucx/event_set.hpp"
#include "comm/ucx/peer_loss.hpp"
#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {

enum class Lane : std::uint8_t { kBulk, kControl };  // in the order of Connection::lanes()

class Connection {
 public:
  // `serial` tells this connection from earlier ones to the same peer. `watches` outlives it, and
  // gets the peer's process, where it can be watched, under `serial`.
  Connection(NodeId peer, PeerAddress address, std::uint64_t serial, const PeerAddress& own,
             EventSet* watches);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // The lane's endpoint, created if there is none yet.
  Result<ucp_ep_h> open(ucp_worker_h worker, Lane lane);
  // Of open(): false where the owner of the memory lands the writes, ours there and the peer's
  // here.
  bool lands_by_itself() const { return lands_by_itself_; }
  // Writes that the peer is to land, so far; they are numbered from 1.
  std::uint64_t next_write() { return ++posted_writes_; }
  std::uint64_t posted_writes() const { return posted_writes_; }
  // The endpoints that are open.
  std::vector<ucp_ep_h> endpoints() const;

  // An endpoint failed, or the peer said that it gave the connection up.
  void fail(std::string reason);
  // Starts to cut the endpoints: operations that UCX still has complete with errors.
  void start_close();
  // Its process is of no more interest: the user closed or replaced the connection.
  void stop_watching();
  // The process has ended, said the watch. Proof for take_report() of loss().
  void end_process();
  // True once nothing in UCX refers to this connection: it may be destroyed.
  bool is_drained();

  bool is_lost() const { return loss_.is_lost(); }
  bool is_busy() const { return pending_operations_ != 0 && !is_lost(); }
  bool is_closing() const { return closing_; }
  NodeId peer() const { return peer_; }
  std::uint64_t serial() const { return serial_; }
  const PeerAddress& address() const { return address_; }
  PeerLoss& loss() { return loss_; }
  const PeerLoss& loss() const { return loss_; }

  void operation_started() { ++pending_operations_; }
  void operation_ended() { --pending_operations_; }

  // The transports that carry writes, each once ("posix/memory"); those of messages as long as
  // nothing is written.
  std::vector<std::string> lanes() const;

 private:
  struct Endpoint {
    ucp_ep_h handle = nullptr;
    void* close_request = nullptr;
  };

  static void on_error(void* argument, ucp_ep_h endpoint, ucs_status_t status);
  Status watch();
  ucs_status_t create(ucp_worker_h worker, const std::vector<std::byte>& address,
                      ucp_ep_h* endpoint);

  NodeId peer_;
  PeerAddress address_;
  std::uint64_t serial_;
  EventSet* watches_;
  ProcessWatch watch_;
  bool has_looked_ = false;
  bool may_write_alone_;  // the peer, here
  bool lands_by_itself_;
  std::uint64_t posted_writes_ = 0;
  std::array<Endpoint, 2> endpoints_;
  std::size_t pending_operations_ = 0;
  bool closing_ = false;
  PeerLoss loss_;
};

}  // namespace sluice::comm::ucx
