// SPDX-License-Identifier: Apache-2.0
// A prefill worker: takes prompts from the router and pushes their KV, as frames, to decode
// workers.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "runtime/frames/pipeline_set.hpp"
#include "runtime/kv/prefix_cache.hpp"
#include "runtime/prefill/link_cards.hpp"
#include "runtime/prefill/prefill_compute.hpp"
#include "runtime/telemetry/codec_slowness.hpp"
#include "runtime/telemetry/speed_fit.hpp"
#include "runtime/transfer/early_cancels.hpp"
#include "runtime/transfer/mailbox.hpp"
#include "runtime/transfer/push_engine.hpp"
#include "runtime/transfer/worker_node.hpp"

namespace sluice::runtime {

struct PrefillWorkerOptions {
  std::int64_t chunk_tokens = 512;  // that the computation takes at a time: frames end there
  PushOptions push;
  std::int64_t prefix_block_tokens = 0;  // that decode workers keep of prompts; 0: they keep none
  // Null: every request keeps the level it came with.
  std::shared_ptr<const scheduler::LevelTable> levels = {};
  bool adapt_levels = true;
};
PrefillWorkerOptions prefill_worker_options(const ClusterConfig& config);

class PrefillWorker : public WorkerNode {
 public:
  // Borrows cluster and pipelines; they must outlive it.
  PrefillWorker(Cluster& cluster, PrefillWorkerOptions options, PipelineSet& pipelines,
                const PrefillComputeFactory& make_compute);
  ~PrefillWorker() override;

  // Serves until the router says stop or is gone (kUnavailable), or the model cannot be loaded.
  Status run() { return serve(); }

  std::size_t staging_bytes_taken() const { return engine_.staging_bytes_taken(); }

 private:
  struct Request {
    comm::NodeId target = 0;
    std::vector<PrefixHash> blocks;  // that the target may keep of its prompt, or has
    PrefillJob job;                  // until it is the computation's
    bool is_open = false;            // the engine has a handoff of it
    bool is_computing = false;       // the computation still writes the staging memory
    bool is_settled = false;         // the router knows of its end, or needs not
    std::shared_ptr<LevelSteering> steering;
  };
  using Requests = std::map<RequestId, Request>;

  void on_message(comm::NodeId peer, MessageType type, Bytes payload) override;
  void on_operation(const comm::Completion& completion) override;
  void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) override;
  void on_peer_silent(comm::NodeId peer) override;
  void on_joined(comm::NodeId peer) override;
  void on_round_trip(comm::NodeId peer, std::int64_t took_us) override;
  void on_turn() override;

  void take_submit(Bytes payload);
  Result<PrefillJob> plan(SubmitMessage submit);
  std::vector<PrefixHash> prefix_blocks(const SubmitMessage& submit) const;
  std::int64_t first_token(const SubmitMessage& submit) const;
  void take_cancel(Bytes payload);
  void take(PrefillEvent& event);
  void take_loaded(const PrefillEvent::Loaded& loaded);
  void take_ended();
  void start_waiting();
  Status start(RequestId id, Request& request);
  void fail(RequestId id, const Error& error, bool tell_router);
  void fail_all_to(comm::NodeId peer, const std::string& why);
  void forget_if_done(Requests::iterator entry);
  void watch_targets();
  void report_links();
  void report_status();

  void steer(PrefillJob& job) const;
  void show_links();
  void learn(const PrefillEvent::PieceReady& frame);

  const PrefillWorkerOptions options_;
  PipelineSet& pipelines_;
  Mailbox<PrefillEvent> events_;
  Requests requests_;
  std::deque<RequestId> waiting_;  // for staging memory, in order of arrival
  EarlyCancels early_cancels_;
  std::set<comm::NodeId> watched_;  // targets of open handoffs
  LinkCards cards_;
  std::optional<std::int64_t> links_used_us_;  // last
  std::int64_t links_due_us_ = 0;
  std::vector<LevelFamily> families_;
  SpeedFit prefill_speed_;
  CodecSlowness codec_slowness_;
  bool has_status_ = false;  // that the router does not know
  std::int64_t status_due_us_ = 0;
  PushEngine engine_;
  std::unique_ptr<PrefillCompute> compute_;  // last: its thread uses the mailbox
};

}  // namespace sluice::runtime
