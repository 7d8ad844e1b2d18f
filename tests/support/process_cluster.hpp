// SPDX-License-Identifier: Apache-2.0
// A whole cluster in one process: a thread a rank, the loopback transport, any model.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "comm/bootstrap/bootstrap.hpp"
#include "runtime/decode/decode_loop.hpp"
#include "runtime/decode/decode_worker.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/prefill/prefill_loop.hpp"
#include "runtime/prefill/prefill_worker.hpp"
#include "runtime/router/router.hpp"
#include "tests/support/source_pipelines.hpp"

namespace sluice::runtime {

// Small memories, FP32, one thread an engine.
inline ClusterConfig process_config(std::vector<Role> ranks) {
  ClusterConfig config;
  config.ranks = std::move(ranks);
  config.transport.backend = "loopback";
  config.prefill.compute = "f32";
  config.prefill.threads = 1;
  config.prefill.chunk_tokens = 16;
  config.prefill.kv_memory_bytes = 1 << 20;
  config.prefill.send_memory_bytes = 1 << 19;
  config.decode.threads = 1;
  config.decode.kv_memory_bytes = 1 << 20;
  config.decode.arena_memory_bytes = 1 << 19;
  config.decode.sequences_max = 4;
  return config;
}

class ProcessCluster {
 public:
  // Ready when it returns. `model` must outlive it.
  ProcessCluster(const ModelFile& model, const ClusterConfig& config,
                 std::vector<TokenId> end_tokens = {})
      : end_tokens_(std::move(end_tokens)),
        pipelines_(source_pipelines(model, config.pipeline.name)) {
    auto bootstraps = comm::open_local_bootstraps(static_cast<comm::NodeId>(config.ranks.size()));
    std::promise<void> ready;
    for (auto& bootstrap : bootstraps) {
      threads_.emplace_back([this, &model, config, &ready, own = std::move(bootstrap)]() mutable {
        auto cluster = join_cluster(*own, config, {.pipeline_hash = pipelines_->pipeline_hash()});
        ASSERT_TRUE(cluster.has_value()) << cluster.error().message;
        serve(*cluster, model, config, ready);
      });
    }
    ready.get_future().wait();
  }
  ~ProcessCluster() { stop(); }
  ProcessCluster(const ProcessCluster&) = delete;
  ProcessCluster& operator=(const ProcessCluster&) = delete;

  Router& router() { return *router_; }
  void stop() {
    if (threads_.empty()) return;
    router_->stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void serve(Cluster& cluster, const ModelFile& model, const ClusterConfig& config,
             std::promise<void>& ready) {
    switch (cluster.hellos[cluster.self].role) {
      case Role::kRouter: {
        RouterOptions options;
        options.limits = {model.spec().context_max, model.spec().vocab};
        options.on_ready = [&] { ready.set_value(); };
        options.scheduler = config.scheduler;
        auto policy = scheduler::create_policy(config.scheduler.policy);
        ASSERT_TRUE(policy.has_value());
        router_cluster_ = std::move(cluster);
        router_ = std::make_unique<Router>(router_cluster_, std::move(*policy), std::move(options));
        const Status ran = router_->run();
        EXPECT_TRUE(ran.has_value()) << ran.error().message;
        return;
      }
      case Role::kPrefill: {
        const PrefillLoopOptions options{config.prefill, config.pipeline.encode_threads,
                                         kv_shape_of(model.spec()), cluster.host,
                                         config.scheduler.prefix_block_tokens};
        PrefillWorker worker(cluster, prefill_worker_options(config), *pipelines_,
                             [&](std::function<void(PrefillEvent)> emit) {
                               return std::make_unique<PrefillLoop>(model, options,
                                                                    std::move(emit));
                             });
        EXPECT_TRUE(worker.run().has_value());
        return;
      }
      case Role::kDecode: {
        const KvShape shape = kv_shape_of(model.spec());
        auto pool = KvPool::create(shape, kv_blocks_in(shape, config.decode.kv_memory_bytes));
        ASSERT_TRUE(pool.has_value());
        auto options = decode_worker_options(config, model.spec().vocab, end_tokens_);
        options.prefix_salt = [this](const std::string& pipeline) {
          return pipelines_->prefix_salt(pipeline);
        };
        DecodeWorker worker(cluster, std::move(options), pipelines_->decoder(), std::move(*pool),
                            [&](KvPool& pages, std::function<void(DecodeEvent)> emit) {
                              return std::make_unique<DecodeLoop>(model, config.decode, pages,
                                                                  end_tokens_, std::move(emit));
                            });
        EXPECT_TRUE(worker.run().has_value());
        return;
      }
    }
  }

  std::vector<TokenId> end_tokens_;
  std::unique_ptr<PipelineSet> pipelines_;
  Cluster router_cluster_;
  std::unique_ptr<Router> router_;
  std::vector<std::thread> threads_;
};

// All of an answer, or the error that ended it.
inline Result<std::vector<TokenId>> collect(GenerateStream& stream) {
  std::vector<TokenId> tokens;
  while (true) {
    const GenerateEvent event = SLUICE_TRY(stream.next());
    tokens.push_back(event.token);
    if (event.finish != FinishReason::kNone) return tokens;
  }
}

}  // namespace sluice::runtime
