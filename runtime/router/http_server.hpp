// SPDX-License-Identifier: Apache-2.0
// The OpenAI-style HTTP front of a Generator: completions, chat, models, health, version, tokenize.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "kernels/core/result.hpp"
#include "runtime/config/config.hpp"
#include "runtime/request/generate.hpp"
#include "runtime/router/model_info.hpp"
#include "runtime/router/open_requests.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {

struct HttpOptions {
  // More than the requests that the router lets in, so that there is room to refuse one and to
  // answer /health. Over it connections wait for one that is idle.
  std::size_t connections_max = kOpenRequestsMax + 256;
  // From a request's first byte to its last.
  std::chrono::milliseconds request_time_max = std::chrono::seconds(60);
  // GET /metrics, as text in Prometheus' exposition format; any thread. Empty: there is none.
  std::function<std::string()> metrics = {};
  // A completion or chat has ended, with this status; any thread. 499: its client hung up.
  std::function<void(int)> on_answered = {};
};

class HttpServer {
 public:
  virtual ~HttpServer() = default;  // stops

  // Listens and serves from threads of its own. Port 0 takes a free one. The generator and the
  // tokenizer must outlive the server. kUnavailable when the address cannot be listened on.
  static Result<std::unique_ptr<HttpServer>> start(const RouterConfig& config, Generator& generator,
                                                   const Tokenizer& tokenizer, ModelInfo model,
                                                   HttpOptions options = {});

  // Cancels the requests at work, answers them with an error, closes all connections.
  virtual void stop() = 0;

  virtual std::uint16_t port() const = 0;
};

}  // namespace sluice::runtime
