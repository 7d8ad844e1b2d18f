// SPDX-License-Identifier: Apache-2.0
// Owners of UCX's handles, and the settings that this transport needs from UCX. Private to the
// folder.
#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/core/result.hpp"

namespace sluice::comm::ucx {

// A UCX status as an Error: "could not map memory: Out of memory".
Error ucx_error(ErrorCode code, const std::string& what, ucs_status_t status);

struct ConfigDeleter {
  void operator()(ucp_config_t* config) const { ucp_config_release(config); }
};
using ConfigHandle = std::unique_ptr<ucp_config_t, ConfigDeleter>;

struct ContextDeleter {
  void operator()(ucp_context_h context) const { ucp_cleanup(context); }
};
using ContextHandle = std::unique_ptr<ucp_context, ContextDeleter>;

struct WorkerDeleter {
  void operator()(ucp_worker_h worker) const { ucp_worker_destroy(worker); }
};
using WorkerHandle = std::unique_ptr<ucp_worker, WorkerDeleter>;

// A peer's key. Operations in flight share it, so it can be forgotten at any time.
using RemoteKey = std::shared_ptr<ucp_rkey>;

// A file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int number() const { return number_; }

 private:
  int number_ = -1;
};

// With UCX's configuration: its environment, then what we choose where that says nothing.
Result<ContextHandle> open_context(bool with_cuda);
// For messages, where they need a context of their own: the same but for shared memory. Null where
// that would be the same or would reach nobody.
//
// Why: in UCX's shared memory all senders of a host put their messages into one queue of the
// receiver's, and each takes its place there before it fills it. A sender that is killed in between
// leaves a place that is never filled, and the receiver hears nobody any more, for good (UCX's
// mm_ep.c, uct_mm_ep_get_remote_elem()). Writes do not pass through the queue.
Result<ContextHandle> open_control_context(ucp_context_h bulk);
// What the context can use: "TRANSPORT/DEVICE", each once.
std::vector<std::string> context_resources(ucp_context_h context);
Result<WorkerHandle> open_worker(ucp_context_h context);

}  // namespace sluice::comm::ucx
