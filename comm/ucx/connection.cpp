// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/connection.hpp"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sluice::comm::ucx {

Connection::Connection(NodeId peer, PeerAddress address, std::uint64_t serial)
    : peer_(peer), address_(std::move(address)), serial_(serial) {}

void Connection::on_error(void* argument, ucp_ep_h, ucs_status_t status) {
  auto* connection = static_cast<Connection*>(argument);
  connection->mark_lost(ucs_status_string(status));
}

void Connection::mark_lost(std::string reason) {
  if (closing_ || lost_) return;
  lost_ = true;
  loss_reason_ = std::move(reason);
}

Status Connection::open(ucp_worker_h worker) {
  if (endpoint_ != nullptr) return {};
  watch_ = watch_process(address_.process);
  if (watch_.has_ended) {
    mark_lost("its process has ended");
    return make_error(ErrorCode::kUnavailable,
                      "peer " + std::to_string(peer_) + " is lost: " + loss_reason_);
  }
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(address_.worker.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &Connection::on_error;
  params.err_handler.arg = this;
  const ucs_status_t status = ucp_ep_create(worker, &params, &endpoint_);
  if (status == UCS_OK) return {};
  endpoint_ = nullptr;
  return ucx_error(ErrorCode::kUnavailable, "no way to reach peer " + std::to_string(peer_),
                   status);
}

void Connection::start_close() {
  if (closing_) return;
  closing_ = true;
  watch_ = {};
  if (endpoint_ == nullptr) return;
  ucp_request_param_t params{};
  params.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  params.flags = UCP_EP_CLOSE_FLAG_FORCE;
  void* request = ucp_ep_close_nbx(std::exchange(endpoint_, nullptr), &params);
  if (UCS_PTR_IS_PTR(request)) close_request_ = request;
}

bool Connection::is_drained() {
  if (close_request_ != nullptr && ucp_request_check_status(close_request_) != UCS_INPROGRESS) {
    ucp_request_free(std::exchange(close_request_, nullptr));
  }
  return closing_ && close_request_ == nullptr && pending_operations_ == 0;
}

bool Connection::take_loss() { return lost_ && !std::exchange(loss_taken_, true); }

std::vector<std::string> Connection::lanes() const {
  if (endpoint_ == nullptr) return {};
  char* text = nullptr;
  std::size_t text_bytes = 0;
  std::FILE* stream = open_memstream(&text, &text_bytes);
  if (stream == nullptr) return {};
  ucp_ep_print_info(endpoint_, stream);
  std::fclose(stream);
  const std::string printed(text, text_bytes);
  std::free(text);

  // Lines such as "#   lane[0]:  6:posix/memory.0 md[3]  -> md[3]/posix/sysdev[255] am am_bw#0".
  std::vector<std::string> names;
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
  return names;
}

}  // namespace sluice::comm::ucx
