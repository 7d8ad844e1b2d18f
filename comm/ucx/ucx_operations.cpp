// SPDX-License-Identifier: Apache-2.0
// What the transport posts: writes, flushes and messages.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "comm/ucx/ucx_transport_impl.hpp"

namespace sluice::comm::ucx {
namespace {

constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30;
// A piece of a write that the peer lands is one packet of UCX's TCP, which takes 64 KiB with its
// headers: a larger one is put together in a buffer of its own before we get it.
constexpr std::size_t kPieceBytesMax = 60 * 1024;

std::string peer_name(NodeId peer) { return "peer " + std::to_string(peer); }

}  // namespace

Status UcxTransport::write(const RemoteRegion& target, std::size_t offset_bytes, Bytes source,
                           OperationId operation) {
  const auto found = imported_.find(target.id);
  if (found == imported_.end()) {
    return make_error(ErrorCode::kInvalidArgument, "a write to a region that was not imported");
  }
  ImportedRegion& imported = found->second;
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
  const LocalRegion* const local = region_around(source);
  const bool is_host = imported.kind == MemoryKind::kHost &&
                       (local == nullptr || local->region.kind == MemoryKind::kHost);
  if (way.connection->lands_by_itself()) {
    SLUICE_TRY(unpack_key(way.endpoint, imported));
  } else if (!is_host) {
    return make_error(
        ErrorCode::kUnsupported,
        "device memory cannot be written from or to over TCP (" + peer_name(imported.peer) + ")");
  }
  auto state = start_operation(way.connection, CompletionKind::kWriteDone, operation);
  if (way.connection->lands_by_itself()) {
    put(way.endpoint, imported, offset_bytes, source, *state);
  } else {
    write_by_messages(way.endpoint, imported, offset_bytes, source, *state);
  }
  return finish_start(std::move(state));
}

void UcxTransport::put(ucp_ep_h endpoint, const ImportedRegion& target, std::size_t offset_bytes,
                       Bytes source, Operation& operation) {
  operation.key = target.key;
  ucp_request_param_t params = part_params(operation);
  params.op_attr_mask |= UCP_OP_ATTR_FLAG_MULTI_SEND;
  if (const LocalRegion* local = region_around(source)) {
    params.op_attr_mask |= UCP_OP_ATTR_FIELD_MEMH;
    params.memh = local->memory;
  }
  add_part(operation, ucp_put_nbx(endpoint, source.data(), source.size(),
                                  target.address + offset_bytes, target.key.get(), &params));
}

void UcxTransport::write_by_messages(ucp_ep_h endpoint, const ImportedRegion& target,
                                     std::size_t offset_bytes, Bytes source, Operation& operation) {
  ucp_request_param_t params = part_params(operation);
  params.op_attr_mask |= UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FLAG_MULTI_SEND;
  params.flags = UCP_AM_SEND_FLAG_EAGER;
  WriteHeader header;
  header.instance = own_.instance;
  header.serial = operation.connection->serial();
  header.region = target.region;
  operation.header.resize((source.size() + kPieceBytesMax - 1) / kPieceBytesMax * sizeof(header));
  std::byte* header_at = operation.header.data();
  for (std::size_t at = 0; at < source.size(); at += kPieceBytesMax) {
    const Bytes piece = source.subspan(at, std::min(kPieceBytesMax, source.size() - at));
    header.sequence = operation.connection->next_write();
    header.offset_bytes = offset_bytes + at;
    std::memcpy(header_at, &header, sizeof(header));
    add_part(operation, ucp_am_send_nbx(endpoint, kWriteId, header_at, sizeof(header), piece.data(),
                                        piece.size(), &params));
    header_at += sizeof(header);
  }
}

// Both lanes: "were my messages delivered" is asked by a flush too.
Status UcxTransport::flush(NodeId peer, OperationId operation) {
  Connection* connection = SLUICE_TRY(usable_connection(peer));
  // Nothing was posted yet: asked of a peer that can be reached all the same.
  if (connection->endpoints().empty())
    SLUICE_TRY(connection->open(worker_of(Lane::kControl), Lane::kControl));
  auto state = start_operation(connection, CompletionKind::kFlushDone, operation);
  if (connection->lands_by_itself()) {
    flush_endpoints(*connection, *state);
  } else if (Status asked = ask_for_flush(*connection, *state); !asked) {
    connection->operation_ended();
    return asked;
  }
  return finish_start(std::move(state));
}

void UcxTransport::flush_endpoints(Connection& connection, Operation& operation) {
  const ucp_request_param_t params = part_params(operation);
  for (const ucp_ep_h endpoint : connection.endpoints()) {
    add_part(operation, ucp_ep_flush_nbx(endpoint, &params));
  }
}

// The question goes behind the messages, and names the writes that are to have landed: its answer
// stands for both lanes.
Status UcxTransport::ask_for_flush(Connection& connection, Operation& operation) {
  const ucp_ep_h endpoint = SLUICE_TRY(connection.open(worker_of(Lane::kControl), Lane::kControl));
  FlushHeader header;
  header.instance = own_.instance;
  header.serial = connection.serial();
  header.sequence = connection.posted_writes();
  header.flush = next_flush_++;
  header.sender = options_.self;
  operation.header.resize(sizeof(header));
  std::memcpy(operation.header.data(), &header, sizeof(header));
  ucp_request_param_t params = part_params(operation);
  params.op_attr_mask |= UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = UCP_AM_SEND_FLAG_EAGER;
  void* request = ucp_am_send_nbx(endpoint, kFlushId, operation.header.data(), sizeof(header),
                                  address_.data(), address_.size(), &params);
  add_part(operation, request);
  if (UCS_PTR_IS_ERR(request)) return {};
  asking_[header.flush] = &operation;
  ++operation.parts;
  return {};
}

Status UcxTransport::send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) {
  if (payload.size() > kMessageBytesMax) {
    return make_error(ErrorCode::kInvalidArgument, "a message is larger than 1 GiB");
  }
  const Way way = SLUICE_TRY(usable_way(peer, Lane::kControl));
  auto state = start_operation(way.connection, CompletionKind::kSendDone, operation);
  const MessageHeader header{options_.self, type, 0, own_.instance};
  state->header.resize(sizeof(header));
  std::memcpy(state->header.data(), &header, sizeof(header));
  state->payload.assign(payload.begin(), payload.end());
  ucp_request_param_t params = part_params(*state);
  params.op_attr_mask |= UCP_OP_ATTR_FIELD_FLAGS;
  // Never by rendezvous: over TCP the sender would then write into a buffer of the receiver's, and
  // one that dies or stops half way would leave the buffer without an owner.
  params.flags = UCP_AM_SEND_FLAG_EAGER;
  add_part(*state, ucp_am_send_nbx(way.endpoint, kMessageId, state->header.data(), sizeof(header),
                                   state->payload.data(), state->payload.size(), &params));
  return finish_start(std::move(state));
}

ucp_request_param_t UcxTransport::part_params(Operation& operation) {
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &UcxTransport::on_part_done;
  params.user_data = &operation;
  return params;
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

void UcxTransport::add_part(Operation& operation, void* request) {
  if (UCS_PTR_IS_ERR(request)) {
    operation.status = UCS_PTR_STATUS(request);
  } else if (request != nullptr) {
    ++operation.parts;  // to be called back
  }
}

Status UcxTransport::finish_start(std::unique_ptr<Operation> operation) {
  if (operation->parts != 0) {
    (void)operation.release();  // the last part's
    return {};
  }
  if (operation->status == UCS_OK) {
    finish(std::move(operation));
    return {};
  }
  operation->connection->operation_ended();
  return ucx_error(ErrorCode::kUnavailable,
                   peer_name(operation->connection->peer()) + " cannot be reached",
                   operation->status);
}

void UcxTransport::on_part_done(void* request, ucs_status_t status, void* user_data) {
  ucp_request_free(request);
  auto* operation = static_cast<Operation*>(user_data);
  operation->transport->end_part(operation, status);
}

void UcxTransport::end_part(Operation* operation, ucs_status_t status) {
  if (status != UCS_OK) operation->status = status;
  if (--operation->parts == 0) finish(std::unique_ptr<Operation>(operation));
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

}  // namespace sluice::comm::ucx
