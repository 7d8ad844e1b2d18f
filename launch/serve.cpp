// SPDX-License-Identifier: Apache-2.0
#include "launch/serve.hpp"

#include <cstdio>

#include "launch/rank.hpp"
#include "runtime/model/printable.hpp"
#include "runtime/router/http_server.hpp"

namespace sluice::launch {
namespace {

Status serve_http(const Serving& serving) {
  const LoadedModel& model = serving.model;
  const runtime::ModelInfo info{.name = model.file->spec().name,
                                .chat_template = model.chat_template(),
                                .context_tokens = model.context_tokens,
                                .check_pipeline = [&model](const std::string& name) -> Status {
                                  SLUICE_TRY(model.pipelines->find(name));
                                  return {};
                                }};
  runtime::HttpOptions options;
  options.metrics = [&serving] { return serving.metrics.text(); };
  options.on_answered = [&serving](int http_status) { serving.metrics.answered(http_status); };
  auto server = SLUICE_TRY(runtime::HttpServer::start(model.config.router, serving.generator,
                                                      *model.tokenizer, info, std::move(options)));
  std::fprintf(stderr, "sluice: serving %s on http://%s:%d\n",
               runtime::printable(info.name).c_str(), model.config.router.host.c_str(),
               int{server->port()});
  serving.stopping.wait(false);
  server->stop();
  return {};
}

}  // namespace

int run_serve(const ServeOptions& options) {
  return run_rank({.config = options.config,
                   .pipeline = options.pipeline,
                   .accept_joins = true,
                   .join = options.join,
                   .rank = options.rank,
                   .fault = options.fault,
                   .fault_rank = options.fault_rank},
                  serve_http);
}

}  // namespace sluice::launch
