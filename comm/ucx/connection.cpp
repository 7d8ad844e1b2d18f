// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/connection.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sluice::comm::ucx {
namespace {

std::int64_t monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Lines such as "#   lane[0]:  6:posix/memory.0 md[3]  -> md[3]/posix/sysdev[255] am am_bw#0".
void add_printed_lanes(const std::string& printed, std::vector<std::string>& names) {
  for (std::size_t at = printed.find("lane["); at != std::string::npos;
       at = printed.find("lane[", at + 1)) {
    const std::size_t line_end = std::min(printed.find('\n', at), printed.size());
    const std::string line = printed.substr(at, line_end - at);
    const std::size_t slash = line.find('/');
    const std::size_t colon = line.rfind(':', slash);
    if (slash == std::string::npos || colon == std::string::npos) continue;
    std::string name = line.substr(colon + 1, line.find_first_of(" .", slash) - colon - 1);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
}

}  // namespace

Connection::Connection(NodeId peer, PeerAddress address, std::uint64_t serial, EventSet* watches)
    : peer_(peer), address_(std::move(address)), serial_(serial), watches_(watches) {}

Connection::~Connection() { stop_watching(); }

void Connection::on_error(void* argument, ucp_ep_h, ucs_status_t status) {
  auto* connection = static_cast<Connection*>(argument);
  if (connection->closing_) return;
  connection->loss_.fail(ucs_status_string(status), connection->watch_.descriptor.number() >= 0,
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
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(address_.worker.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &Connection::on_error;
  params.err_handler.arg = this;
  const ucs_status_t status = ucp_ep_create(worker, &params, &endpoint.handle);
  if (status == UCS_OK) return endpoint.handle;
  endpoint.handle = nullptr;
  return ucx_error(ErrorCode::kUnavailable, "no way to reach peer " + std::to_string(peer_),
                   status);
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
  std::vector<std::string> names;
  for (const ucp_ep_h endpoint : endpoints()) {
    char* text = nullptr;
    std::size_t text_bytes = 0;
    std::FILE* stream = open_memstream(&text, &text_bytes);
    if (stream == nullptr) continue;
    ucp_ep_print_info(endpoint, stream);
    std::fclose(stream);
    add_printed_lanes({text, text_bytes}, names);
    std::free(text);
  }
  return names;
}

}  // namespace sluice::comm::ucx
