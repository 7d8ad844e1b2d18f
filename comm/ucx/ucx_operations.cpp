// SPDX-License-Identifier: Apache-2.0
// What the transport posts and what UCX calls back: writes, flushes and messages.
#include <cstring>
#include <string>
#include <utility>

#include "comm/ucx/ucx_transport_impl.hpp"

namespace sluice::comm::ucx {
namespace {

constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30;  // a lying sender costs no more

std::string peer_name(NodeId peer) { return "peer " + std::to_string(peer); }

}  // namespace

const UcxTransport::LocalRegion* UcxTransport::region_around(Bytes source) const {
  for (const auto& [id, local] : regions_) {
    const std::byte* first = local.region.data;
    if (source.data() >= first && source.data() < first + local.region.bytes &&
        source.size() <= local.region.bytes - static_cast<std::size_t>(source.data() - first)) {
      return &local;
    }
  }
  return nullptr;
}

Status UcxTransport::write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
                           OperationId operation) {
  const auto found = imported_.find(target.id);
  if (found == imported_.end()) {
    return make_error(ErrorCode::kInvalidArgument, "a write to a region that was not imported");
  }
  const ImportedRegion& imported = found->second;
  if (offset_bytes > imported.bytes || source.size() > imported.bytes - offset_bytes) {
    return make_error(ErrorCode::kInvalidArgument, "a write of " + std::to_string(source.size()) +
                                                       " bytes at " + std::to_string(offset_bytes) +
                                                       " leaves its region of " +
                                                       std::to_string(imported.bytes) + " bytes");
  }
  const Way way = SLUICE_TRY(usable_way(imported.peer, Lane::kBulk));
  if (way.connection->serial() != imported.connection_serial) {
    return make_error(ErrorCode::kUnavailable, "a region of " + peer_name(imported.peer) +
                                                   " belongs to a connection that is gone");
  }
  auto state = start_operation(way.connection, CompletionKind::kWriteDone, operation);
  state->key = imported.key;
  ucp_request_param_t params{};
  params.op_attr_mask =
      UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FLAG_MULTI_SEND;
  params.cb.send = &UcxTransport::on_operation_done;
  params.user_data = state.get();
  if (const LocalRegion* local = region_around(source)) {
    params.op_attr_mask |= UCP_OP_ATTR_FIELD_MEMH;
    params.memh = local->memory;
  }
  void* request = ucp_put_nbx(way.endpoint, source.data(), source.size(),
                              imported.address + offset_bytes, imported.key.get(), &params);
  return finish_start(request, std::move(state));
}

// Both lanes: "were my messages delivered" is asked by a flush too.
Status UcxTransport::flush(NodeId peer, OperationId operation) {
  Connection* connection = SLUICE_TRY(usable_connection(peer));
  // Nothing was posted yet: asked of a peer that can be reached all the same.
  if (connection->endpoints().empty()) SLUICE_TRY(connection->open(worker_.get(), Lane::kControl));
  const std::vector<ucp_ep_h> endpoints = connection->endpoints();
  auto state = start_operation(connection, CompletionKind::kFlushDone, operation);
  state->parts = static_cast<int>(endpoints.size());
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &UcxTransport::on_operation_done;
  params.user_data = state.get();
  for (const ucp_ep_h endpoint : endpoints) {
    void* request = ucp_ep_flush_nbx(endpoint, &params);
    if (UCS_PTR_IS_PTR(request)) continue;
    --state->parts;
    if (request != nullptr) state->status = UCS_PTR_STATUS(request);
  }
  if (state->parts == 0) {
    finish(std::move(state));
  } else {
    (void)state.release();  // the callback's
  }
  return {};
}

Status UcxTransport::send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) {
  if (payload.size() > kMessageBytesMax) {
    return make_error(ErrorCode::kInvalidArgument, "a message is larger than 1 GiB");
  }
  const Way way = SLUICE_TRY(usable_way(peer, Lane::kControl));
  auto state = start_operation(way.connection, CompletionKind::kSendDone, operation);
  state->header = {options_.self, type, 0, instance_};
  state->payload.assign(payload.begin(), payload.end());
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &UcxTransport::on_operation_done;
  params.user_data = state.get();
  void* request = ucp_am_send_nbx(way.endpoint, kMessageId, &state->header, sizeof(state->header),
                                  state->payload.data(), state->payload.size(), &params);
  return finish_start(request, std::move(state));
}

std::unique_ptr<UcxTransport::Operation> UcxTransport::start_operation(Connection* connection,
                                                                       CompletionKind kind,
                                                                       OperationId id) {
  auto operation = std::make_unique<Operation>();
  operation->transport = this;
  operation->connection = connection;
  operation->kind = kind;
  operation->id = id;
  connection->operation_started();
  return operation;
}

// Takes UCX's answer to an operation just posted: refused, done, or to be called back.
Status UcxTransport::finish_start(void* request, std::unique_ptr<Operation> operation) {
  if (UCS_PTR_IS_ERR(request)) {
    operation->connection->operation_ended();
    return ucx_error(ErrorCode::kUnavailable,
                     peer_name(operation->connection->peer()) + " cannot be reached",
                     UCS_PTR_STATUS(request));
  }
  if (request == nullptr) {
    finish(std::move(operation));
  } else {
    (void)operation.release();  // the callback's
  }
  return {};
}

void UcxTransport::on_operation_done(void* request, ucs_status_t status, void* user_data) {
  ucp_request_free(request);
  auto* operation = static_cast<Operation*>(user_data);
  if (status != UCS_OK) operation->status = status;
  if (--operation->parts != 0) return;
  operation->transport->finish(std::unique_ptr<Operation>(operation));
}

void UcxTransport::finish(std::unique_ptr<Operation> operation) {
  Connection* connection = operation->connection;
  connection->operation_ended();
  if (operation->status == UCS_OK && operation->id == 0) return;
  Completion completion;
  completion.kind = operation->kind;
  completion.peer = connection->peer();
  completion.operation = operation->id;
  if (operation->status != UCS_OK) {
    const bool is_ours = connection->is_closing() && !connection->is_lost();
    completion.status = ucx_error(is_ours ? ErrorCode::kCancelled : ErrorCode::kUnavailable,
                                  peer_name(connection->peer()), operation->status);
  }
  push(std::move(completion));
}

void UcxTransport::push_message(const MessageHeader& header, std::vector<std::byte> payload) {
  // A node that was started again is the new one; what the old one still says is not.
  const auto found = connections_.find(header.sender);
  if (found != connections_.end() && found->second->address().instance != header.instance) return;
  Completion completion;
  completion.kind = CompletionKind::kMessage;
  completion.peer = header.sender;
  completion.type = header.type;
  completion.payload = std::move(payload);
  news_.push_back({std::move(completion), header.instance});
}

ucs_status_t UcxTransport::on_message(void* argument, const void* header, std::size_t header_bytes,
                                      void* data, std::size_t bytes,
                                      const ucp_am_recv_param_t* params) {
  auto* transport = static_cast<UcxTransport*>(argument);
  MessageHeader message;
  if (header_bytes != sizeof(message)) return UCS_OK;  // not from us: dropped
  std::memcpy(&message, header, sizeof(message));
  if ((params->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0) {
    const auto* first = static_cast<const std::byte*>(data);
    transport->push_message(message, std::vector<std::byte>(first, first + bytes));
    return UCS_OK;
  }
  if (bytes > kMessageBytesMax) return UCS_ERR_EXCEEDS_LIMIT;
  auto incoming =
      std::make_unique<Incoming>(Incoming{transport, message, std::vector<std::byte>(bytes)});
  ucp_request_param_t receive{};
  receive.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  receive.cb.recv_am = &UcxTransport::on_data_received;
  receive.user_data = incoming.get();
  void* request = ucp_am_recv_data_nbx(transport->worker_.get(), data, incoming->payload.data(),
                                       bytes, &receive);
  if (UCS_PTR_IS_ERR(request)) return UCS_PTR_STATUS(request);
  if (request == nullptr) {
    transport->push_message(message, std::move(incoming->payload));
  } else {
    incoming.release();
    ++transport->incoming_count_;
  }
  return UCS_INPROGRESS;  // the descriptor is the receive operation's now
}

void UcxTransport::on_data_received(void* request, ucs_status_t status, std::size_t,
                                    void* user_data) {
  const std::unique_ptr<Incoming> incoming(static_cast<Incoming*>(user_data));
  --incoming->transport->incoming_count_;
  // A sender that died in the middle of a message: whole or not at all.
  if (status == UCS_OK) {
    incoming->transport->push_message(incoming->header, std::move(incoming->payload));
  }
  ucp_request_free(request);
}

}  // namespace sluice::comm::ucx
