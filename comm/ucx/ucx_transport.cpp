// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/ucx_transport.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "comm/ucx/ucx_transport_impl.hpp"

namespace sluice::comm::ucx {
namespace {

constexpr unsigned kMessageId = 1;                              // UCX's active message id
constexpr std::size_t kMessageBytesMax = std::size_t{1} << 30;  // a lying sender costs no more
constexpr int kProgressRoundsMax = 64;                          // poll() returns to its caller
// How long the destructor lets messages leave. Then connections are cut.
constexpr std::chrono::milliseconds kLingerMax{300};
// A busy loop that never waits still learns of a dead process within this time.
constexpr std::chrono::milliseconds kLookInterval{100};

std::string peer_name(NodeId peer) { return "peer " + std::to_string(peer); }

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
  context_ = SLUICE_TRY(open_context());
  worker_ = SLUICE_TRY(open_worker(context_.get()));

  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                       UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kMessageId;
  handler.flags = UCP_AM_FLAG_WHOLE_MSG;
  handler.cb = &UcxTransport::on_message;
  handler.arg = this;
  ucs_status_t status = ucp_worker_set_am_recv_handler(worker_.get(), &handler);
  if (status != UCS_OK) return ucx_error(ErrorCode::kInternal, "no message handler", status);

  status = ucp_worker_get_efd(worker_.get(), &worker_descriptor_);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kUnavailable, "UCX cannot sleep with these transports", status);
  }
  wake_descriptor_ = Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (wake_descriptor_.number() < 0) {
    return make_error(ErrorCode::kResourceExhausted,
                      std::string("no event descriptor: ") + std::strerror(errno));
  }

  ucp_address_t* worker_address = nullptr;
  std::size_t worker_address_bytes = 0;
  status = ucp_worker_get_address(worker_.get(), &worker_address, &worker_address_bytes);
  if (status != UCS_OK) return ucx_error(ErrorCode::kInternal, "no worker address", status);
  const auto* first = reinterpret_cast<const std::byte*>(worker_address);
  address_ = seal_address({own_identity(), {first, first + worker_address_bytes}});
  ucp_worker_release_address(worker_.get(), worker_address);
  return {};
}

UcxTransport::~UcxTransport() {
  if (worker_ == nullptr) return;
  // First what was posted may leave, then every endpoint is cut.
  for (const auto& [peer, connection] : connections_) {
    if (connection->endpoint() != nullptr && !connection->is_lost()) (void)flush(peer, 0);
  }
  linger([this] {
    return std::any_of(connections_.begin(), connections_.end(),
                       [](const auto& entry) { return entry.second->is_busy(); });
  });
  for (auto& [peer, connection] : connections_) retire(std::move(connection));
  connections_.clear();
  linger([this] { return !retired_.empty() || incoming_count_ != 0; });
  imported_.clear();
  for (auto& [id, local] : regions_) ucp_mem_unmap(context_.get(), local.memory);
  worker_.reset();
}

// Progresses while `busy`, for a bounded time.
void UcxTransport::linger(const std::function<bool()>& busy) {
  const auto end = std::chrono::steady_clock::now() + kLingerMax;
  while (busy() && std::chrono::steady_clock::now() < end) {
    progress();
    completions_.clear();
    if (busy()) wait(std::chrono::milliseconds(5));
  }
}

Status UcxTransport::connect(NodeId peer, Bytes address) {
  PeerAddress opened = SLUICE_TRY(open_address(address));
  auto& connection = connections_[peer];
  if (connection != nullptr) {
    if (!connection->is_lost() && connection->worker_address() == opened.worker) return {};
    retire(std::move(connection));
  }
  connection = std::make_unique<Connection>(peer, std::move(opened), next_connection_++);
  return {};
}

Result<Region> UcxTransport::allocate(std::size_t bytes, MemoryKind kind) {
  if (bytes == 0) return make_error(ErrorCode::kInvalidArgument, "a region needs at least a byte");
  if (kind != MemoryKind::kHost) {
    return make_error(ErrorCode::kUnsupported, "this build registers host memory only");
  }
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH |
                      UCP_MEM_MAP_PARAM_FIELD_FLAGS;
  params.address = nullptr;
  params.length = bytes;
  params.flags = UCP_MEM_MAP_ALLOCATE;  // by UCX, so that peers on this host can attach to it
  LocalRegion local;
  ucs_status_t status = ucp_mem_map(context_.get(), &params, &local.memory);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kResourceExhausted,
                     "no " + std::to_string(bytes) + " bytes of registered memory", status);
  }
  ucp_mem_attr_t attributes{};
  attributes.field_mask = UCP_MEM_ATTR_FIELD_ADDRESS | UCP_MEM_ATTR_FIELD_LENGTH;
  status = ucp_mem_query(local.memory, &attributes);
  if (status != UCS_OK) {
    ucp_mem_unmap(context_.get(), local.memory);
    return ucx_error(ErrorCode::kInternal, "registered memory has no address", status);
  }
  local.region = {static_cast<std::byte*>(attributes.address), bytes, next_region_++, kind};
  // Also takes the page faults now, not in the first request.
  std::memset(local.region.data, 0, bytes);
  regions_.emplace(local.region.id, local);
  return local.region;
}

void UcxTransport::release(const Region& region) {
  const auto found = regions_.find(region.id);
  if (found == regions_.end()) return;
  ucp_mem_unmap(context_.get(), found->second.memory);
  regions_.erase(found);
}

Result<std::vector<std::byte>> UcxTransport::export_region(const Region& region) {
  const auto found = regions_.find(region.id);
  if (found == regions_.end()) {
    return make_error(ErrorCode::kNotFound, "only an allocated region can be exported");
  }
  void* packed = nullptr;
  std::size_t packed_bytes = 0;
  const ucs_status_t status =
      ucp_rkey_pack(context_.get(), found->second.memory, &packed, &packed_bytes);
  if (status != UCS_OK) return ucx_error(ErrorCode::kInternal, "no key for a region", status);
  const auto* first = static_cast<const std::byte*>(packed);
  RegionKey key;
  key.address = reinterpret_cast<std::uintptr_t>(found->second.region.data);
  key.bytes = found->second.region.bytes;
  key.packed.assign(first, first + packed_bytes);
  ucp_rkey_buffer_release(packed);
  return seal_region_key(key);
}

Result<RemoteRegion> UcxTransport::import_region(NodeId peer, Bytes key) {
  const RegionKey opened = SLUICE_TRY(open_region_key(key));
  const Connection* connection = SLUICE_TRY(usable_connection(peer));
  ucp_rkey_h remote_key = nullptr;
  const ucs_status_t status =
      ucp_ep_rkey_unpack(connection->endpoint(), opened.packed.data(), &remote_key);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kInvalidArgument, "a region key cannot be used", status);
  }
  const std::uint32_t id = next_region_++;
  imported_[id] = {peer, connection->serial(), opened.address, opened.bytes,
                   RemoteKey(remote_key, &ucp_rkey_destroy)};
  return RemoteRegion{peer, id, opened.bytes};
}

void UcxTransport::forget_region(const RemoteRegion& region) { imported_.erase(region.id); }

Result<Connection*> UcxTransport::usable_connection(NodeId peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) {
    return make_error(ErrorCode::kUnavailable, peer_name(peer) + " is not connected");
  }
  Connection* connection = found->second.get();
  if (connection->is_lost()) {
    return make_error(ErrorCode::kUnavailable,
                      peer_name(peer) + " is lost: " + connection->loss_reason());
  }
  SLUICE_TRY(connection->open(worker_.get()));
  return connection;
}

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
  Connection* connection = SLUICE_TRY(usable_connection(imported.peer));
  if (connection->serial() != imported.connection_serial) {
    return make_error(ErrorCode::kUnavailable, "a region of " + peer_name(imported.peer) +
                                                   " belongs to a connection that is gone");
  }
  auto state = std::make_unique<Operation>(
      Operation{this, connection, CompletionKind::kWriteDone, operation, imported.key, {}, {}});
  ucp_request_param_t params{};
  params.op_attr_mask =
      UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FLAG_MULTI_SEND;
  params.cb.send = &UcxTransport::on_operation_done;
  params.user_data = state.get();
  if (const LocalRegion* local = region_around(source)) {
    params.op_attr_mask |= UCP_OP_ATTR_FIELD_MEMH;
    params.memh = local->memory;
  }
  void* request = ucp_put_nbx(connection->endpoint(), source.data(), source.size(),
                              imported.address + offset_bytes, imported.key.get(), &params);
  return finish_start(request, std::move(state));
}

Status UcxTransport::flush(NodeId peer, OperationId operation) {
  Connection* connection = SLUICE_TRY(usable_connection(peer));
  auto state = std::make_unique<Operation>(
      Operation{this, connection, CompletionKind::kFlushDone, operation, {}, {}, {}});
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &UcxTransport::on_operation_done;
  params.user_data = state.get();
  void* request = ucp_ep_flush_nbx(connection->endpoint(), &params);
  return finish_start(request, std::move(state));
}

Status UcxTransport::send(NodeId peer, std::uint16_t type, Bytes payload, OperationId operation) {
  if (payload.size() > kMessageBytesMax) {
    return make_error(ErrorCode::kInvalidArgument, "a message is larger than 1 GiB");
  }
  Connection* connection = SLUICE_TRY(usable_connection(peer));
  auto state = std::make_unique<Operation>(Operation{this,
                                                     connection,
                                                     CompletionKind::kSendDone,
                                                     operation,
                                                     {},
                                                     {options_.self, type, 0},
                                                     {payload.begin(), payload.end()}});
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  params.cb.send = &UcxTransport::on_operation_done;
  params.user_data = state.get();
  void* request =
      ucp_am_send_nbx(connection->endpoint(), kMessageId, &state->header, sizeof(state->header),
                      state->payload.data(), state->payload.size(), &params);
  return finish_start(request, std::move(state));
}

// Takes UCX's answer to an operation just posted: refused, done, or to be called back.
Status UcxTransport::finish_start(void* request, std::unique_ptr<Operation> operation) {
  if (UCS_PTR_IS_ERR(request)) {
    return ucx_error(ErrorCode::kUnavailable,
                     peer_name(operation->connection->peer()) + " cannot be reached",
                     UCS_PTR_STATUS(request));
  }
  operation->connection->operation_started();
  if (request == nullptr) {
    finish(std::move(operation), UCS_OK);
  } else {
    operation.release();
  }
  return {};
}

void UcxTransport::on_operation_done(void* request, ucs_status_t status, void* user_data) {
  std::unique_ptr<Operation> operation(static_cast<Operation*>(user_data));
  UcxTransport* transport = operation->transport;
  transport->finish(std::move(operation), status);
  ucp_request_free(request);
}

void UcxTransport::finish(std::unique_ptr<Operation> operation, ucs_status_t status) {
  Connection* connection = operation->connection;
  connection->operation_ended();
  if (status == UCS_OK && operation->id == 0) return;
  Completion completion;
  completion.kind = operation->kind;
  completion.peer = connection->peer();
  completion.operation = operation->id;
  if (status != UCS_OK) {
    const bool is_ours = connection->is_closing() && !connection->is_lost();
    completion.status = ucx_error(is_ours ? ErrorCode::kCancelled : ErrorCode::kUnavailable,
                                  peer_name(connection->peer()), status);
  }
  completions_.push_back(std::move(completion));
}

void UcxTransport::push_message(const MessageHeader& header, std::vector<std::byte> payload) {
  Completion completion;
  completion.kind = CompletionKind::kMessage;
  completion.peer = header.sender;
  completion.type = header.type;
  completion.payload = std::move(payload);
  completions_.push_back(std::move(completion));
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

void UcxTransport::retire(std::unique_ptr<Connection> connection) {
  drop_keys(connection->peer(), connection->serial());
  connection->start_close();
  retired_.push_back(std::move(connection));
}

// Keys go before the endpoint they were unpacked for; writes in flight hold theirs.
void UcxTransport::drop_keys(NodeId peer, std::uint64_t connection_serial) {
  for (auto& [id, imported] : imported_) {
    if (imported.peer == peer && imported.connection_serial == connection_serial) {
      imported.key.reset();
    }
  }
}

void UcxTransport::progress() {
  for (int round = 0; round < kProgressRoundsMax && ucp_worker_progress(worker_.get()) != 0;
       ++round) {
  }
  if (const auto now = std::chrono::steady_clock::now(); now >= next_look_) {
    next_look_ = now + kLookInterval;
    look_for_ended_processes();
  }
  for (auto& [peer, connection] : connections_) {
    if (!connection->take_loss()) continue;
    Completion completion;
    completion.kind = CompletionKind::kPeerLost;
    completion.peer = peer;
    completion.status = make_error(ErrorCode::kUnavailable,
                                   peer_name(peer) + " is lost: " + connection->loss_reason());
    completions_.push_back(std::move(completion));
    drop_keys(peer, connection->serial());
    connection->start_close();
  }
  std::erase_if(retired_, [](const auto& connection) { return connection->is_drained(); });
}

void UcxTransport::look_for_ended_processes() {
  std::vector<pollfd> descriptors;
  std::vector<Connection*> watched;
  for (auto& [peer, connection] : connections_) {
    if (connection->watch_descriptor() < 0) continue;
    descriptors.push_back({connection->watch_descriptor(), POLLIN, 0});
    watched.push_back(connection.get());
  }
  if (descriptors.empty() || ::poll(descriptors.data(), descriptors.size(), 0) <= 0) return;
  for (std::size_t i = 0; i < watched.size(); ++i) {
    if (descriptors[i].revents != 0) watched[i]->mark_lost("its process has ended");
  }
}

std::size_t UcxTransport::poll(std::span<Completion> completions) {
  progress();
  const std::size_t count = std::min(completions.size(), completions_.size());
  std::move(completions_.begin(), completions_.begin() + static_cast<std::ptrdiff_t>(count),
            completions.begin());
  completions_.erase(completions_.begin(),
                     completions_.begin() + static_cast<std::ptrdiff_t>(count));
  return count;
}

void UcxTransport::wait(std::chrono::milliseconds timeout) {
  if (!completions_.empty()) return;
  // Busy: there are events that poll() has not seen, so there is nothing to sleep for.
  if (ucp_worker_arm(worker_.get()) != UCS_OK) return;
  std::vector<pollfd> descriptors = {{worker_descriptor_, POLLIN, 0},
                                     {wake_descriptor_.number(), POLLIN, 0}};
  for (const auto& [peer, connection] : connections_) {
    if (connection->watch_descriptor() >= 0) {
      descriptors.push_back({connection->watch_descriptor(), POLLIN, 0});
    }
  }
  const auto limit = std::clamp<std::chrono::milliseconds::rep>(timeout.count(), 0,
                                                                std::numeric_limits<int>::max());
  (void)::poll(descriptors.data(), descriptors.size(), static_cast<int>(limit));
  if (std::any_of(descriptors.begin() + 2, descriptors.end(),
                  [](const pollfd& descriptor) { return descriptor.revents != 0; })) {
    next_look_ = {};  // the next poll() looks which
  }
  if ((descriptors[1].revents & POLLIN) != 0) {
    std::uint64_t count = 0;
    (void)!::read(wake_descriptor_.number(), &count, sizeof(count));
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
