// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/connection.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "comm/ucx/lanes.hpp"

namespace sluice::comm::ucx {
namespace {

std::int64_t monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::vector<std::string> endpoint_lanes(ucp_ep_h endpoint) {
  char* text = nullptr;
  std::size_t text_bytes = 0;
  std::FILE* stream = open_memstream(&text, &text_bytes);
  if (stream == nullptr) return {};
  ucp_ep_print_info(endpoint, stream);
  std::fclose(stream);
  std::vector<std::string> names = parse_lanes({text, text_bytes});
  std::free(text);
  return names;
}

}  // namespace

Connection::Connection(NodeId peer, PeerAddress address, std::uint64_t serial,
                       const PeerAddress& own, EventSet* watches)
    : peer_(peer),
      address_(std::move(address)),
      serial_(serial),
      watches_(watches),
      may_write_alone_(may_write_alone(own, address_)),
      lands_by_itself_(may_write_alone_) {}

Connection::~Connection() { stop_watching(); }

void Connection::on_error(void* argument, ucp_ep_h, ucs_status_t status) {
  static_cast<Connection*>(argument)->fail(ucs_status_string(status));
}

void Connection::fail(std::string reason) {
  if (closing_) return;
  loss_.fail(std::move(reason),
             {.is_watched = watch_.descriptor.number() >= 0, .lands_by_itself = may_write_alone_},
             monotonic_us());
}

void Connection::end_process() {
  stop_watching();
  loss_.end_process(monotonic_us());
}

void Connection::stop_watching() {
  if (watch_.descriptor.number() < 0) return;
  watches_->remove(watch_.descriptor.number());
  watch_ = {};
}

Status Connection::watch() {
  if (std::exchange(has_looked_, true)) return {};
  watch_ = watch_process(address_.process);
  if (watch_.has_ended) {
    end_process();
    return make_error(ErrorCode::kUnavailable,
                      "peer " + std::to_string(peer_) + " is lost: " + loss_.reason());
  }
  if (watch_.descriptor.number() < 0) return {};
  return watches_->add(watch_.descriptor.number(), serial_);
}

Result<ucp_ep_h> Connection::open(ucp_worker_h worker, Lane lane) {
  Endpoint& endpoint = endpoints_[static_cast<std::size_t>(lane)];
  if (endpoint.handle != nullptr) return endpoint.handle;
  SLUICE_TRY(watch());
  const bool is_control = lane == Lane::kControl && !address_.control.empty();
  ucs_status_t status =
      create(worker, is_control ? address_.control : address_.worker, &endpoint.handle);
  // The peer has more ways than we have: none of those for its messages is ours.
  if (status != UCS_OK && is_control) status = create(worker, address_.worker, &endpoint.handle);
  if (status != UCS_OK) {
    endpoint.handle = nullptr;
    return ucx_error(ErrorCode::kUnavailable, "no way to reach peer " + std::to_string(peer_),
                     status);
  }
  if (lane == Lane::kBulk) {
    lands_by_itself_ = ucx::lands_by_itself(endpoint_lanes(endpoint.handle));
    may_write_alone_ |= lands_by_itself_;
  }
  return endpoint.handle;
}

ucs_status_t Connection::create(ucp_worker_h worker, const std::vector<std::byte>& address,
                                ucp_ep_h* endpoint) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(address.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &Connection::on_error;
  params.err_handler.arg = this;
  return ucp_ep_create(worker, &params, endpoint);
}

std::vector<ucp_ep_h> Connection::endpoints() const {
  std::vector<ucp_ep_h> open;
  for (const Endpoint& endpoint : endpoints_) {
    if (endpoint.handle != nullptr) open.push_back(endpoint.handle);
  }
  return open;
}

void Connection::start_close() {
  if (std::exchange(closing_, true)) return;
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.handle == nullptr) continue;
    ucp_request_param_t params{};
    params.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
    params.flags = UCP_EP_CLOSE_FLAG_FORCE;
    void* request = ucp_ep_close_nbx(std::exchange(endpoint.handle, nullptr), &params);
    if (UCS_PTR_IS_PTR(request)) endpoint.close_request = request;
  }
}

bool Connection::is_drained() {
  bool is_closed = closing_;
  for (Endpoint& endpoint : endpoints_) {
    if (endpoint.close_request == nullptr) continue;
    if (ucp_request_check_status(endpoint.close_request) == UCS_INPROGRESS) {
      is_closed = false;
    } else {
      ucp_request_free(std::exchange(endpoint.close_request, nullptr));
    }
  }
  return is_closed && pending_operations_ == 0;
}

std::vector<std::string> Connection::lanes() const {
  const auto in_use = std::find_if(endpoints_.begin(), endpoints_.end(),
                                   [](const Endpoint& endpoint) { return endpoint.handle; });
  if (in_use == endpoints_.end()) return {};
  std::vector<std::string> names;
  for (std::string& name : endpoint_lanes(in_use->handle)) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

}  // namespace sluice::comm::ucx
