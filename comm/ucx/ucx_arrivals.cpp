// SPDX-License-Identifier: Apache-2.0
// What arrives from peers as UCX's active messages: messages, writes that we land, and flushes of
// such writes.
#include <cstring>
#include <string>
#include <utility>

#include "comm/ucx/ucx_transport_impl.hpp"

namespace sluice::comm::ucx {

template <class Header, void (UcxTransport::*handle)(const Header&, Bytes)>
Status UcxTransport::set_handler(ucp_worker_h worker, unsigned id) {
  ucp_am_handler_param_t params{};
  params.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                      UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  params.id = id;
  params.flags = UCP_AM_FLAG_WHOLE_MSG;
  params.arg = this;
  params.cb = [](void* self, const void* header, std::size_t header_bytes, void* data,
                 std::size_t bytes, const ucp_am_recv_param_t* received) {
    Header copied;
    // Not from us: dropped.
    if (header_bytes != sizeof(copied)) return UCS_OK;
    if ((received->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0) return UCS_OK;
    std::memcpy(&copied, header, sizeof(copied));
    (static_cast<UcxTransport*>(self)->*handle)(copied,
                                                {static_cast<const std::byte*>(data), bytes});
    return UCS_OK;
  };
  const ucs_status_t status = ucp_worker_set_am_recv_handler(worker, &params);
  if (status == UCS_OK) return {};
  return ucx_error(ErrorCode::kInternal, "no message handler", status);
}

Status UcxTransport::set_handlers(ucp_worker_h worker) {
  SLUICE_TRY((set_handler<MessageHeader, &UcxTransport::on_message>(worker, kMessageId)));
  SLUICE_TRY((set_handler<WriteHeader, &UcxTransport::land>(worker, kWriteId)));
  SLUICE_TRY((set_handler<FlushHeader, &UcxTransport::on_flush_asked>(worker, kFlushId)));
  SLUICE_TRY((set_handler<FlushAnswer, &UcxTransport::on_flush_answered>(worker, kFlushAnswerId)));
  return {};
}

void UcxTransport::on_message(const MessageHeader& header, Bytes payload) {
  // A node that was started again is the new one; what the old one still says is not. The new one
  // may speak before we are connected to it.
  const auto found = connections_.find(header.sender);
  const bool is_other =
      found != connections_.end() && found->second->address().instance != header.instance;
  Completion completion;
  completion.kind = CompletionKind::kMessage;
  completion.peer = header.sender;
  completion.type = header.type;
  completion.payload.assign(payload.begin(), payload.end());
  (is_other ? early_ : news_).push_back({std::move(completion), header.instance});
  if (early_.size() > kEarlyMax) early_.pop_front();
}

void UcxTransport::land(const WriteHeader& header, Bytes bytes) {
  if (!landings_.admits(header.instance, header.serial)) return;
  landings_.landed(header.instance, header.serial, header.sequence);
  const auto found = regions_.find(header.region);
  if (found == regions_.end()) return;  // released meanwhile
  const Region& region = found->second.region;
  if (region.kind != MemoryKind::kHost || header.offset_bytes > region.bytes ||
      bytes.size() > region.bytes - header.offset_bytes || bytes.empty()) {
    return;
  }
  std::memcpy(region.data + header.offset_bytes, bytes.data(), bytes.size());
}

void UcxTransport::on_flush_asked(const FlushHeader& header, Bytes address) {
  asked_.push_back({header, {address.begin(), address.end()}});
}

void UcxTransport::on_flush_answered(const FlushAnswer& answer, Bytes) {
  if (answer.instance != own_.instance) return;
  const auto found = asking_.find(answer.flush);
  if (found == asking_.end()) return;
  Operation* operation = found->second;
  asking_.erase(found);
  if (answer.is_refused != 0) operation->connection->fail("it has given up this connection");
  end_part(operation, answer.is_refused != 0 ? UCS_ERR_REJECTED : UCS_OK);
}

// Outside of UCX's callbacks: an answer may need an endpoint.
void UcxTransport::answer_flushes() {
  std::erase_if(asked_, [this](const Asked& asked) {
    const FlushHeader& header = asked.header;
    const auto verdict = landings_.ask(header.instance, header.serial, header.sequence);
    if (verdict == Landings::Verdict::kNotYet) return false;
    Connection* connection = way_back(asked);
    if (connection == nullptr) return true;
    const auto endpoint = connection->open(worker_of(Lane::kControl), Lane::kControl);
    if (!endpoint) return true;  // the one who asked is gone
    const FlushAnswer answer{header.instance, header.flush,
                             verdict == Landings::Verdict::kRefused ? 1U : 0U};
    auto operation = start_operation(connection, CompletionKind::kSendDone, 0);
    operation->header.resize(sizeof(answer));
    std::memcpy(operation->header.data(), &answer, sizeof(answer));
    ucp_request_param_t params = part_params(*operation);
    params.op_attr_mask |= UCP_OP_ATTR_FIELD_FLAGS;
    params.flags = UCP_AM_SEND_FLAG_EAGER;
    add_part(*operation, ucp_am_send_nbx(*endpoint, kFlushAnswerId, operation->header.data(),
                                         sizeof(answer), nullptr, 0, &params));
    (void)finish_start(std::move(operation));
    return true;
  });
}

// Our connection to the one who asks; one of our own making where the user has none.
Connection* UcxTransport::way_back(const Asked& asked) {
  const auto found = connections_.find(asked.header.sender);
  if (found != connections_.end() && !found->second->is_lost() &&
      found->second->address().instance == asked.header.instance) {
    return found->second.get();
  }
  auto& own = ways_back_[asked.header.instance];
  if (own == nullptr) {
    auto address = open_address(asked.address);
    if (!address) {
      ways_back_.erase(asked.header.instance);
      return nullptr;
    }
    own = std::make_unique<Connection>(asked.header.sender, *std::move(address), next_connection_++,
                                       own_, &watches_);
  }
  return own.get();
}

}  // namespace sluice::comm::ucx
