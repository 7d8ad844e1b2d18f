// SPDX-License-Identifier: Apache-2.0
// The control messages of a cluster. None carries KV: that goes by one-sided writes.
//
// One request's life: router --Submit--> prefill --Want--> decode --Grant--> prefill; then frames
// by writes, each flushed and announced by Pieces; decode answers with Taken, so that their place
// in the slot can be used again, or once with Again; Manifest ends the handoff; decode sends Token
// to the router until the last one. Failed may come from any worker at any time. A request that is
// placed anew has a new id, so that nothing late can be mistaken for it. No rule here depends on
// the order in which messages arrive.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/transport.hpp"
#include "kernels/core/bytes.hpp"
#include "kernels/core/result.hpp"
#include "runtime/config/config.hpp"
#include "runtime/kv/cache_range.hpp"
#include "runtime/request/generate.hpp"

namespace sluice::runtime {

using RequestId = std::uint64_t;

enum class MessageType : std::uint16_t {
  kSubmit = 1,
  kWant,
  kGrant,
  kPieces,
  kManifest,
  kToken,
  kFailed,
  kCancel,
  kLoading,
  kShutdown,
  kGoodbye,
  kTaken,
  kAgain,
  kBeat,
  kLinks,
  kJoined,
  kPrefixes,
  kStatus,
  kDrain,
};

// What every rank tells all others once, at start.
struct Hello {
  std::uint32_t protocol_version = 0;
  std::uint64_t config_hash = 0;
  std::uint64_t model_fingerprint = 0;
  std::uint64_t pipeline_hash = 0;  // of the pipeline that the cluster file names
  std::uint64_t profile_hash = 0;   // 0: no profile
  Role role = Role::kRouter;
  std::string host;                  // boot id: same value, same monotonic clock
  std::string error;                 // not empty: this rank cannot serve; why
  std::vector<std::byte> address;    // of the transport
  std::vector<std::byte> arena_key;  // decode: where prefill workers write
  // Of the process behind this rank: 1 when the cluster started, higher for one that came later.
  std::uint64_t incarnation = 1;

  std::vector<std::byte> encode() const;
  static Result<Hello> decode(Bytes bytes);
};

// Router to prefill: a request and where its KV goes. Router to decode, which is `decode_node`
// then: prefill it there.
struct SubmitMessage {
  RequestId request = 0;
  comm::NodeId decode_node = 0;
  std::int64_t tokens_max = 0;
  bool ignore_end = false;
  SamplingOptions sampling;
  std::string pipeline;  // a preset's name; empty: the cluster's
  std::int64_t question_tokens = 0;
  // What the level may become while the request is under way.
  bool may_change_level = false;
  std::int64_t ttft_left_us = 0;  // to the objective, when this was sent; 0: there is none
  double kl_max = 0.0;            // the coarsest level that its user accepts
  // So many of the prompt's first tokens are in the decode worker's cache: they are not sent.
  std::int64_t decode_cached_tokens = 0;
  std::vector<TokenId> prompt;

  std::vector<std::byte> encode() const;
  static Result<SubmitMessage> decode(Bytes bytes);
};

// Prefill to decode: room for this request, please.
struct WantMessage {
  RequestId request = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t tokens_max = 0;
  std::uint64_t frame_bytes = 0;          // of all frames at most
  std::uint64_t frame_bytes_largest = 0;  // of one frame at most: no slot can be smaller
  CacheRange range;                       // what this writer sends
  std::int32_t writers = 1;               // that send this request to this decode worker
  // The prompt's blocks (as PrefixesMessage): what the decode worker may keep for later prompts,
  // and of which it has the first `cached_tokens` tokens already. Empty: no reuse.
  std::int64_t cached_tokens = 0;
  std::vector<std::uint64_t> blocks;

  std::vector<std::byte> encode() const;
  static Result<WantMessage> decode(Bytes bytes);
};

// Decode to prefill: write here. A slot may be smaller than all the frames: the writer uses it as a
// ring, over again once Taken has come. `epoch` is new with every grant of this worker and of those
// that had its rank before: what carries an older one is late and dropped.
struct GrantMessage {
  RequestId request = 0;
  std::uint64_t epoch = 0;
  std::uint64_t offset_bytes = 0;  // in the decode worker's arena
  std::uint64_t bytes = 0;

  std::vector<std::byte> encode() const;
  static Result<GrantMessage> decode(Bytes bytes);
};

// A frame of a part of the cache for the tokens [first_token, last_token), and where in the slot it
// lies. The place names the piece until it is taken.
struct Piece {
  CacheRange range;
  std::int64_t first_token = 0;
  std::int64_t last_token = 0;
  std::uint64_t offset_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;  // the frame's own
};

// Prefill to decode: these pieces are written and flushed.
struct PiecesMessage {
  RequestId request = 0;
  std::uint64_t epoch = 0;
  std::vector<Piece> pieces;

  std::vector<std::byte> encode() const;
  static Result<PiecesMessage> decode(Bytes bytes);
};

// Decode to prefill: these pieces are in the pages, their places in the slot are free. `is_all`: so
// are all of the handoff; the writer can forget it.
struct TakenMessage {
  RequestId request = 0;
  std::uint64_t epoch = 0;
  std::vector<std::uint64_t> offsets;
  bool is_all = false;

  std::vector<std::byte> encode() const;
  static Result<TakenMessage> decode(Bytes bytes);
};

// Decode to prefill: the bytes of this piece are not those of its frame. Write, flush and announce
// it once more, at the same place.
struct AgainMessage {
  RequestId request = 0;
  std::uint64_t epoch = 0;
  std::uint64_t offset_bytes = 0;

  std::vector<std::byte> encode() const;
  static Result<AgainMessage> decode(Bytes bytes);
};

// Prefill to decode: everything of this request is written and flushed. `checksum` is folded from
// the frames', in the order of (layer_first, head_first, first_token). After it the writer writes
// only what is asked for again.
struct ManifestMessage {
  RequestId request = 0;
  std::uint64_t epoch = 0;
  CacheRange range;  // of all frames
  std::int64_t prompt_tokens = 0;
  std::int64_t tokens_max = 0;
  bool ignore_end = false;
  TokenId first_token = 0;
  SamplingOptions sampling;
  std::uint64_t frames = 0;
  std::uint64_t checksum = 0;
  RequestTimeline timeline;         // the prefill worker's part
  std::int64_t prefill_end_us = 0;  // monotonic clock of the prefill host
  std::string host;

  std::vector<std::byte> encode() const;
  static Result<ManifestMessage> decode(Bytes bytes);
};

// Decode to router: the answer's token number `index`. The first and the last carry the timeline.
struct TokenMessage {
  RequestId request = 0;
  std::int64_t index = 0;
  TokenId token = 0;
  FinishReason finish = FinishReason::kNone;
  RequestTimeline timeline;

  std::vector<std::byte> encode() const;
  static Result<TokenMessage> decode(Bytes bytes);
};

// A worker to the router and to the other worker of the request: it will not go on.
struct FailedMessage {
  RequestId request = 0;
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  std::vector<std::byte> encode() const;
  static Result<FailedMessage> decode(Bytes bytes);
};

struct CancelMessage {
  RequestId request = 0;

  std::vector<std::byte> encode() const;
  static Result<CancelMessage> decode(Bytes bytes);
};

// A worker to the router while it loads its model: 0..1, and 1 again when it is ready.
struct LoadingMessage {
  double done = 0.0;
  bool ready = false;
  std::string error;  // not empty: it will not become ready

  std::vector<std::byte> encode() const;
  static Result<LoadingMessage> decode(Bytes bytes);
};

// A worker's last words: what it used.
struct GoodbyeMessage {
  std::uint64_t memory_peak_bytes = 0;
  std::uint64_t memory_file_bytes = 0;  // of it, mapped from files (weights in place)

  std::vector<std::byte> encode() const;
  static Result<GoodbyeMessage> decode(Bytes bytes);
};

// From who watches a peer, and back unchanged but for `is_echo`.
struct BeatMessage {
  std::int64_t sent_us = 0;  // on the clock of who watches
  bool is_echo = false;

  std::vector<std::byte> encode() const;
  static Result<BeatMessage> decode(Bytes bytes);
};

// A worker to the router, at intervals while its links are in use: what it sees of them.
struct LinkReport {
  comm::NodeId peer = 0;
  std::uint32_t has_card = 0;         // 1: a network card counts what goes this way
  double capacity_bytes_per_s = 0.0;  // as comm::LinkEstimate
  double free_bytes_per_s = 0.0;
  double goodput_bytes_per_s = 0.0;
  double other_bytes_per_s = 0.0;
  double utilization = 0.0;
  std::uint64_t queued_bytes = 0;
  std::int64_t round_trip_us = 0;
  std::int64_t age_us = 0;  // of the capacity; -1: never measured
};
struct LinksMessage {
  std::vector<LinkReport> links;

  std::vector<std::byte> encode() const;
  static Result<LinksMessage> decode(Bytes bytes);
};

// A worker to the router: prefixes of prompts that its KV memory now has, and those it has no more.
// A block has SchedulerConfig::prefix_block_tokens tokens; see block_hashes().
struct PrefixesMessage {
  std::vector<std::uint64_t> stored;
  std::vector<std::uint64_t> evicted;

  std::vector<std::byte> encode() const;
  static Result<PrefixesMessage> decode(Bytes bytes);
};

// A worker to the router, at intervals while it has work: what a decision wants to know of it.
struct StatusMessage {
  std::int64_t free_tokens = -1;  // of KV memory; what the prefix cache could give back is free
  double step_s = 0.0;            // decode: of one step, as of late; 0: not known
  double prefill_fixed_s = 0.0;   // prefill: as scheduler::WorkerSpeed
  double prefill_s_per_token = 0.0;
  double prefill_s_per_token_squared = 0.0;
  double codec_slowness = 1.0;  // its time for frames by the level table's

  std::vector<std::byte> encode() const;
  static Result<StatusMessage> decode(Bytes bytes);
};

// Router to a worker: no new work comes; end what there is, then say goodbye. `as` is the role in
// which its process is to join again under the same rank, or the one it has: then it just ends.
struct DrainMessage {
  Role as = Role::kPrefill;

  std::vector<std::byte> encode() const;
  static Result<DrainMessage> decode(Bytes bytes);
};

// The router to all workers: behind this rank there is another process now.
struct JoinedMessage {
  comm::NodeId node = 0;
  std::vector<std::byte> hello;  // a Hello

  std::vector<std::byte> encode() const;
  static Result<JoinedMessage> decode(Bytes bytes);
};

inline constexpr std::uint32_t kProtocolVersion = 4;

}  // namespace sluice::runtime
