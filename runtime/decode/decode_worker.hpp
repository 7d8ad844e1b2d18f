// SPDX-License-Identifier: Apache-2.0
// A decode worker: grants memory, checks what lands in it, and turns it into tokens. Short prompts
// it computes itself where the router says so. What it keeps of prompts serves later ones that
// begin alike: their blocks are shared, and only the rest is sent or computed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "runtime/decode/decode_compute.hpp"
#include "runtime/decode/decode_status.hpp"
#include "runtime/decode/frame_unpacker.hpp"
#include "runtime/frames/kept_rows.hpp"
#include "runtime/kv/prefix_cache.hpp"
#include "runtime/transfer/early_cancels.hpp"
#include "runtime/transfer/receive_engine.hpp"
#include "runtime/transfer/worker_node.hpp"

namespace sluice::runtime {

struct DecodeWorkerOptions {
  std::int64_t vocab = 0;               // of the model
  std::span<const TokenId> end_tokens;  // borrowed
  int codec_threads = 1;                // that take frames apart; 0: the worker's own thread does
  std::size_t slot_bytes_max = std::size_t{64} << 20;
  std::int64_t prefix_block_tokens = 0;  // a multiple of kKvBlockTokens; 0: no prompt is kept
  // The salt of what a pipeline's frames bring (PipelineSet::prefix_salt()); empty: prompts that
  // are computed here share no blocks.
  std::function<std::optional<std::uint64_t>(const std::string& pipeline)> prefix_salt = {};
  std::shared_ptr<const scheduler::LevelTable> levels = nullptr;  // may be null
  // Told what a person should know, in a sentence; may be empty.
  std::function<void(const std::string&)> warn = {};
};
DecodeWorkerOptions decode_worker_options(const ClusterConfig& config, std::int64_t vocab,
                                          std::span<const TokenId> end_tokens);

class DecodeWorker : public WorkerNode, private FrameSink {
 public:
  // Borrows cluster and decoder; they must outlive it. `pool` holds this rank's part of the cache.
  DecodeWorker(Cluster& cluster, DecodeWorkerOptions options, const kernels::FrameDecoder& decoder,
               std::unique_ptr<KvPool> pool, const DecodeComputeFactory& make_compute);
  ~DecodeWorker() override;

  // Serves until the router says stop or is gone (kUnavailable), or the model cannot be loaded.
  Status run() { return serve(); }

  ReceiveEngine::Memory memory() const { return engine_.memory(); }
  std::int64_t free_blocks() const { return cache_->available_blocks(); }

 private:
  // A request whose frames are coming.
  struct Receiving {
    ReceiveTerms terms;
    KeptRows kept;
    UnpackTarget target;
    std::int64_t unpack_us = 0;    // spent on it so far, over threads
    std::int64_t manifest_us = 0;  // when the last manifest came

    Receiving(const CacheRange& range, const ReceiveTerms& of)
        : terms(of), kept(range, of.prompt_tokens) {
      if (of.cached_tokens > 0) kept.have(of.cached_tokens);
    }
  };
  // A prompt to be computed here that waits for pages.
  struct Waiting {
    SubmitMessage submit;
    std::vector<PrefixHash> hashes;
    std::int64_t arrived_us = 0;
  };
  // A sequence that is being decoded.
  struct Running {
    RequestTimeline timeline;
  };

  void on_message(comm::NodeId peer, MessageType type, Bytes payload) override;
  void on_operation(const comm::Completion&) override {}  // it posts none
  void on_peer_lost(comm::NodeId peer, const Status& why, comm::PeerFate fate) override;
  void on_peer_silent(comm::NodeId peer) override;
  void on_peer_back(comm::NodeId peer) override;
  void on_joined(comm::NodeId peer) override;
  void on_turn() override;

  Result<bool> open(RequestId request, const ReceiveTerms& terms) override;
  void take(const LandedFrame& frame) override;
  void complete(RequestId request, const std::vector<ManifestMessage>& manifests) override;
  void drop(RequestId request, const Error& error, bool tell) override;

  void take_cancel(Bytes payload);
  void take_submit(Bytes payload);
  Status check(const SubmitMessage& submit) const;
  bool is_waiting(RequestId request) const;
  void start_waiting();
  bool start(const Waiting& waiting);
  Status check_fits(std::int64_t tokens) const;
  Status check_blocks(const ReceiveTerms& terms);
  void keep_prompt(const Receiving& receiving, const std::vector<ManifestMessage>& manifests);
  void take_done(FrameUnpacker::Done done);
  void take_event(DecodeEvent& event);
  Status check(const Receiving& receiving, const std::vector<ManifestMessage>& manifests) const;
  void start(RequestId request, Receiving& receiving, const ManifestMessage& manifest);
  void watch_writers();
  void watch_quarantine();
  void report();

  const DecodeWorkerOptions options_;
  const CacheRange range_;  // what this rank holds
  std::unique_ptr<KvPool> pool_;
  std::unique_ptr<PrefixCache> cache_;
  DecodeStatus status_;
  std::map<RequestId, std::unique_ptr<Receiving>> receiving_;
  std::map<RequestId, Running> running_;
  std::deque<Waiting> waiting_;  // in order of arrival
  EarlyCancels early_cancels_;
  std::set<comm::NodeId> writers_;              // with open handoffs
  std::optional<std::int64_t> quarantined_us_;  // since when most of the arena is
  bool has_warned_ = false;
  Mailbox<DecodeEvent> events_;
  FrameUnpacker unpacker_;
  ReceiveEngine engine_;
  std::unique_ptr<DecodeCompute> compute_;  // last: its thread uses the mailbox and the pool
};

}  // namespace sluice::runtime
