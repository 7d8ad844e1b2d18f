// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/ucx_handles.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>
#include <vector>

#include "comm/ucx/lanes.hpp"

namespace sluice::comm::ucx {

namespace {

// A setting of UCX's that is ours to choose where the user has not. An older UCX than the one that
// brought it, 1.`since_minor`, would warn of it.
struct Setting {
  const char* name;
  std::string value;
  unsigned since_minor = 0;
  bool is_forced = false;  // follows from what the user has chosen
};
using Settings = std::vector<Setting>;

bool is_users(const Setting& setting) {
  return std::getenv(("UCX_" + std::string(setting.name)).c_str()) != nullptr;
}

bool is_known(const Setting& setting) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return major > 1 || minor >= setting.since_minor;
}

Result<ContextHandle> open_context_with(const Settings& settings) {
  ucp_config_t* raw = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &raw);
  if (status != UCS_OK) {
    return ucx_error(ErrorCode::kInvalidArgument, "UCX cannot read its UCX_* settings", status);
  }
  const ConfigHandle config(raw);
  for (const Setting& setting : settings) {
    if ((is_users(setting) && !setting.is_forced) || !is_known(setting)) continue;
    status = ucp_config_modify(raw, setting.name, setting.value.c_str());
    if (status != UCS_OK) {
      return ucx_error(ErrorCode::kInternal, std::string("UCX refuses the setting ") + setting.name,
                       status);
    }
  }
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_RMA | UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.name = "sluice";
  ucp_context_h context = nullptr;
  status = ucp_init(&params, raw, &context);
  if (status != UCS_OK) return ucx_error(ErrorCode::kUnavailable, "UCX did not start", status);
  return ContextHandle(context);
}

}  // namespace

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

// Of what NIXL sets (src/plugins/ucx/ucx_utils.cpp) the rails and the NICs of a GPU hold for us
// too. RNDV_THRESH=inf: our messages say it one by one. IB_PCI_RELAXED_ORDERING=try: UCX's own
// choice, auto, takes it where a processor gains by it.
Result<ContextHandle> open_context(bool with_cuda) {
  Settings settings = {
      // UCX looks at idle peers every 20 s; a dead decode worker must be noticed before users do.
      {"KEEPALIVE_INTERVAL", "1s"},
      // UCX's own is 1: a write would leave every NIC but one idle.
      {"MAX_RMA_RAILS", "2", 14},
  };
  // Not all NICs of the host for each GPU: those that share its switch.
  if (with_cuda) settings.push_back({"MAX_HCA_PER_GPU", "auto", 21});
  ContextHandle plain = SLUICE_TRY(open_context_with(settings));
  if (!way_kinds(context_resources(plain.get())).shared_memory) return plain;
  plain.reset();
  // With peer error handling UCX uses only transports that notice a dead peer. Shared memory says
  // that it can only when asked; without this, two processes of one host would talk over TCP. A
  // setting of a transport that is not in use makes UCX warn, hence the look first.
  settings.push_back({"MM_ERROR_HANDLING", "y"});
  return open_context_with(settings);
}

Result<ContextHandle> open_control_context(ucp_context_h bulk) {
  const std::vector<std::string> resources = context_resources(bulk);
  if (!way_kinds(resources).shared_memory) return ContextHandle();
  std::string transports = control_transports(resources);
  if (transports.empty()) return ContextHandle();
  return open_context_with(
      {{"KEEPALIVE_INTERVAL", "1s"}, {"TLS", std::move(transports), 0, /*is_forced=*/true}});
}

// Printing is all that UCX 1.13 offers here: "resource 4 : md 3 dev 3 flags -- posix/memory".
std::vector<std::string> context_resources(ucp_context_h context) {
  char* text = nullptr;
  std::size_t text_bytes = 0;
  std::FILE* stream = open_memstream(&text, &text_bytes);
  if (stream == nullptr) return {};
  ucp_context_print_info(context, stream);
  std::fclose(stream);
  std::istringstream lines(std::string(text, text_bytes));
  std::free(text);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" resource ") == std::string::npos) continue;
    std::istringstream words(line);
    std::string name;
    while (words >> name) {
    }
    if (name.find('/') != std::string::npos) names.push_back(name);
  }
  return names;
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
