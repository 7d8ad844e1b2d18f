// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/ucx_handles.hpp"

#include <unistd.h>

#include <utility>

namespace sluice::comm::ucx {

Error ucx_error(ErrorCode code, const std::string& what, ucs_status_t status) {
  return make_error(code, what + ": " + ucs_status_string(status));
}

Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Result<ConfigHandle> read_config() {
  ucp_config_t* raw = nullptr;
  const ucs_status_t status = ucp_config_read(nullptr, nullptr, &raw);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kInvalidArgument, "UCX cannot read its UCX_* settings", status);
  }
  ConfigHandle config(raw);
  // With peer error handling UCX uses only transports that notice a dead peer. Shared memory can,
  // but says so only when asked; without this, two processes of one host would talk over TCP.
  // A UCX without shared memory does not know the name: then there is nothing to ask for.
  (void)ucp_config_modify(raw, "MM_ERROR_HANDLING", "y");
  // UCX looks at idle peers every 20 s; a dead decode worker must be noticed before users do.
  (void)ucp_config_modify(raw, "KEEPALIVE_INTERVAL", "1s");
  return config;
}

Result<ContextHandle> open_context() {
  ConfigHandle config = SLUICE_TRY(read_config());
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_RMA | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "sluice";
  ucp_context_h context = nullptr;
  const ucs_status_t status = ucp_init(&params, config.get(), &context);
  if (status != UCS_OK) return ucx_error(ErrorCode::kUnavailable, "UCX did not start", status);
  return ContextHandle(context);
}

Result<WorkerHandle> open_worker(ucp_context_h context) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  // One thread at a time; it need not be the one that opened the transport.
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  ucp_worker_h worker = nullptr;
  const ucs_status_t status = ucp_worker_create(context, &params, &worker);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kUnavailable, "UCX has no usable transport here", status);
  }
  return WorkerHandle(worker);
}

}  // namespace sluice::comm::ucx
