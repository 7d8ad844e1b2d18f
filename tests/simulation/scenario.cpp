// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <ostream>

#include "tests/simulation/synthetic_model.hpp"

namespace sluice::tests {

using comm::NodeId;
using comm::sim::Posted;
using runtime::MessageType;

namespace {

constexpr std::int64_t kMsUs = 1000;
constexpr std::int64_t kSecondUs = 1'000'000;
// After a fault is over, until everybody has noticed.
constexpr std::int64_t kNoticeUs = 500 * kMsUs;
constexpr std::int64_t kForeverUs = 1'000'000 * kSecondUs;
constexpr std::int64_t kReclaimUs = 2 * kSecondUs;

const char* name_of(MessageType type) {
  switch (type) {
    case MessageType::kSubmit:
      return "Submit";
    case MessageType::kWant:
      return "Want";
    case MessageType::kGrant:
      return "Grant";
    case MessageType::kPieces:
      return "Pieces";
    case MessageType::kManifest:
      return "Manifest";
    case MessageType::kToken:
      return "Token";
    case MessageType::kFailed:
      return "Failed";
    case MessageType::kCancel:
      return "Cancel";
    case MessageType::kLoading:
      return "Loading";
    case MessageType::kShutdown:
      return "Shutdown";
    case MessageType::kGoodbye:
      return "Goodbye";
    case MessageType::kTaken:
      return "Taken";
    case MessageType::kAgain:
      return "Again";
    case MessageType::kBeat:
      return "Beat";
    case MessageType::kLinks:
      return "Links";
    case MessageType::kJoined:
      return "Joined";
    case MessageType::kPrefixes:
      return "Prefixes";
    case MessageType::kStatus:
      return "Status";
    case MessageType::kDrain:
      return "Drain";
  }
  return "?";
}

std::string text_of(const Posted& posted) {
  const std::string between =
      std::to_string(posted.from) + " -> " + std::to_string(posted.to) + " ";
  if (posted.kind == Posted::Kind::kFlush) return between + "flush";
  if (posted.kind == Posted::Kind::kWrite) {
    return between + "write of " + std::to_string(posted.bytes.size()) + " bytes";
  }
  std::string text = between + name_of(static_cast<MessageType>(posted.type));
  const auto request = ByteReader(posted.bytes).get<runtime::RequestId>();
  if (request) text += " of " + std::to_string(*request);
  if (static_cast<MessageType>(posted.type) == MessageType::kFailed) {
    const auto failed = runtime::FailedMessage::decode(posted.bytes);
    if (failed) text += ": " + failed->message;
  }
  return text;
}

}  // namespace

// --- what a seed means --------------------------------------------------------------------------

Scenario::Scenario(std::uint64_t seed, std::ostream* trace)
    : seed_(seed),
      trace_(trace),
      random_(seed * 2654435761 + 17),
      options_(draw_options(random_, seed)),
      cluster_(options_),
      unhealthy_until_(cluster_.nodes(), 0),
      last_clean_us_(cluster_.nodes(), 0) {
  cluster_.world().observe([this](const Posted& posted) { observe(posted); });
}

SimulatedClusterOptions Scenario::draw_options(comm::sim::SeededRandom& random,
                                               std::uint64_t seed) {
  constexpr double kRates[] = {6.25e6, 12.5e6, 125e6, 1.25e9, 10e9};  // 50 Mbit/s to 10 GB/s
  SimulatedClusterOptions options;
  options.prefill = static_cast<NodeId>(random.between(1, 3));
  options.decode = static_cast<NodeId>(random.between(1, 3));
  options.world.seed = seed;
  options.world.link = {.bytes_per_s = kRates[random.below(5)],
                        .delay_us = random.between(1, 300),
                        .jitter_us = random.between(0, 500)};
  if (random.chance(0.25)) options.world.corrupt_write_chance = 0.03;
  options.world.loss_notice_us = random.between(1, 100) * kMsUs;
  options.compute.frame_us = random.between(20, 2000);
  options.compute.token_us = random.between(50, 2000);
  if (random.chance(0.15)) options.compute.prefill_fail_chance = 0.2;
  if (random.chance(0.15)) options.compute.decode_fail_chance = 0.2;
  options.chunk_tokens = 32 * random.between(1, 4);
  options.staging_bytes = static_cast<std::size_t>(random.between(512, 2048)) << 10;
  options.arena_bytes = static_cast<std::size_t>(random.between(64, 1024)) << 10;
  options.slot_bytes_max = static_cast<std::size_t>(random.between(16, 512)) << 10;
  options.decode_blocks = random.between(20, 64);
  if (random.chance(
          0.25)) {  // every byte of the arena is fought for, and writes are long under way
    options.arena_bytes = static_cast<std::size_t>(random.between(40, 100)) << 10;
    options.world.link.bytes_per_s = kRates[random.below(2)];
    options.compute.frame_us = 20;
  }
  return options;
}

runtime::GenerateRequest Scenario::draw_request() {
  runtime::GenerateRequest request;
  const std::int64_t tokens =
      random_.chance(0.7) ? random_.between(1, 150) : random_.between(1, 400);
  for (std::int64_t i = 0; i < tokens; ++i) {
    request.prompt.push_back(static_cast<runtime::TokenId>(random_.below(kSyntheticVocab)));
  }
  request.tokens_max = random_.between(1, 30);
  request.ignore_end = random_.chance(0.5);
  request.pipeline = random_.chance(0.5) ? "raw" : "int8";
  return request;
}

void Scenario::draw_requests() {
  requests_left_ = random_.between(5, 20);
  const std::int64_t span_us = random_.chance(0.5) ? 20 * kMsUs : 2 * kSecondUs;
  for (std::int64_t i = requests_left_; i > 0; --i) {
    const std::int64_t cancel_us = random_.chance(0.15) ? random_.between(0, 300 * kMsUs) : -1;
    auto request = std::make_shared<runtime::GenerateRequest>(draw_request());
    cluster_.at(random_.between(0, span_us), [this, request, cancel_us] {
      --requests_left_;
      const std::size_t index = cluster_.submit(std::move(*request));
      if (cancel_us >= 0) cluster_.at(cancel_us, [this, index] { cluster_.cancel(index); });
    });
  }
}

NodeId Scenario::draw_worker() {
  return static_cast<NodeId>(random_.between(1, static_cast<std::int64_t>(cluster_.nodes()) - 1));
}

Scenario::Plan Scenario::draw_fault() {
  constexpr MessageType kStages[] = {
      MessageType::kSubmit, MessageType::kWant,   MessageType::kGrant,
      MessageType::kPieces, MessageType::kTaken,  MessageType::kManifest,
      MessageType::kToken,  MessageType::kFailed, MessageType::kCancel};
  Plan plan;
  const std::uint64_t action = random_.below(10);
  plan.action = action < 4 ? Action::kKill : action < 7 ? Action::kFreeze : Action::kPart;
  if (random_.chance(0.4)) {
    plan.at_us = random_.between(0, 1500 * kMsUs);
  } else if (random_.chance(0.3)) {
    plan.kind = random_.chance(0.5) ? Posted::Kind::kWrite : Posted::Kind::kFlush;
  } else {
    plan.type = kStages[random_.below(std::size(kStages))];
  }
  plan.nth = static_cast<int>(random_.between(1, 12));
  plan.is_of_sender = random_.chance(0.5);
  plan.last_us = random_.between(1, 3000) * kMsUs;
  if (plan.action == Action::kFreeze && random_.chance(0.1)) plan.last_us = 0;
  if (random_.chance(0.6)) plan.restart_us = random_.between(1, 2000) * kMsUs;
  plan.victim = draw_worker();
  plan.other = random_.chance(0.3) ? 0 : draw_worker();
  return plan;
}

// A user who leaves in the middle of a handoff.
Scenario::Plan Scenario::draw_cancel() {
  constexpr MessageType kStages[] = {MessageType::kWant,   MessageType::kGrant,
                                     MessageType::kPieces, MessageType::kPieces,
                                     MessageType::kTaken,  MessageType::kManifest};
  Plan plan;
  plan.action = Action::kCancel;
  plan.type = kStages[random_.below(std::size(kStages))];
  plan.nth = static_cast<int>(random_.between(1, 30));
  plan.last_us = random_.between(0, 2 * kMsUs);  // until he does
  return plan;
}

void Scenario::draw_faults() {
  const std::int64_t count = random_.chance(0.15) ? 0 : random_.between(1, 4);
  for (std::int64_t i = 0; i < count; ++i) plans_.push_back(draw_fault());
  const std::int64_t cancels = random_.chance(0.5) ? 0 : random_.between(1, 6);
  for (std::int64_t i = 0; i < cancels; ++i) plans_.push_back(draw_cancel());
  for (Plan& plan : plans_) {
    if (plan.at_us >= 0) cluster_.at(plan.at_us, [this, &plan] { strike(plan); });
  }
}

// --- what happens -------------------------------------------------------------------------------

void Scenario::observe(const Posted& posted) {
  const bool is_message = posted.kind == Posted::Kind::kMessage;
  const auto type = static_cast<MessageType>(posted.type);
  if (trace_ != nullptr && !(is_message && type == MessageType::kBeat)) note(text_of(posted));
  if (is_message) watch_message(posted);
  for (Plan& plan : plans_) {
    if (plan.is_done || plan.at_us >= 0 || plan.kind != posted.kind) continue;
    if (is_message && plan.type != type) continue;
    if (--plan.nth > 0) continue;
    plan.victim = plan.is_of_sender ? posted.from : posted.to;
    plan.other = plan.is_of_sender ? posted.to : posted.from;
    if (plan.victim == 0) std::swap(plan.victim, plan.other);
    plan.at_us = cluster_.now_us();
    const auto attempt = ByteReader(posted.bytes).get<runtime::RequestId>();
    if (plan.action == Action::kCancel && attempt && requests_of_.contains(*attempt)) {
      plan.request = requests_of_.at(*attempt);
    }
    cluster_.at(plan.action == Action::kCancel ? plan.last_us : 0, [this, &plan] { strike(plan); });
  }
}

void Scenario::watch_message(const Posted& posted) {
  const auto type = static_cast<MessageType>(posted.type);
  if (type == MessageType::kSubmit) {
    const auto submit = runtime::SubmitMessage::decode(posted.bytes);
    for (std::size_t i = 0; submit && i < cluster_.requests().size(); ++i) {
      if (cluster_.requests()[i].asked.prompt == submit->prompt) requests_of_[submit->request] = i;
    }
  }
  if (type == MessageType::kToken) {
    const auto token = runtime::TokenMessage::decode(posted.bytes);
    const bool is_first = token && tokens_seen_.insert({token->request, token->index}).second;
    // An early end has no place in the answer and says index 0.
    if (!is_first && token->finish != runtime::FinishReason::kCancelled) {
      find("token " + std::to_string(token->index) + " of attempt " +
           std::to_string(token->request) + " was sent twice");
    }
  }
  // Nobody damages bytes: then one writer's have landed on another's.
  if (type == MessageType::kAgain && options_.world.corrupt_write_chance == 0) {
    find("a frame had to be asked for again: " + text_of(posted));
  }
}

void Scenario::strike(Plan& plan) {
  if (plan.action == Action::kCancel) {
    plan.is_done = true;
    if (plan.request) cluster_.cancel(*plan.request);
    return;
  }
  if (std::exchange(plan.is_done, true) || !cluster_.is_alive(plan.victim)) return;
  const NodeId victim = plan.victim;
  const std::int64_t now_us = cluster_.now_us();
  faults_.push_back({plan.action, now_us, now_us + plan.last_us});
  const std::string name = std::to_string(victim);
  if (plan.action == Action::kKill) {
    kill(plan);
  } else if (plan.action == Action::kFreeze) {
    note("*** " + name + " stops");
    cluster_.set_frozen(victim, true);
    if (plan.last_us == 0) {
      stopped_.insert(victim);
      faults_.back().until_us = kForeverUs;
      return;
    }
    cluster_.at(plan.last_us, [this, victim, name] {
      if (!cluster_.is_alive(victim) || !cluster_.is_frozen(victim)) return;
      if (stopped_.contains(victim)) return;
      note("*** " + name + " goes on");
      cluster_.set_frozen(victim, false);
      unhealthy_until_[victim] = cluster_.now_us() + kNoticeUs;
    });
  } else if (plan.other != victim) {
    const NodeId other = plan.other;
    note("*** " + name + " and " + std::to_string(other) + " are parted");
    cluster_.set_partition(victim, other, true);
    cluster_.at(plan.last_us, [this, victim, other] {
      note("*** " + std::to_string(victim) + " and " + std::to_string(other) + " meet again");
      cluster_.set_partition(victim, other, false);
      unhealthy_until_[victim] = cluster_.now_us() + kNoticeUs;
      if (other != 0) unhealthy_until_[other] = cluster_.now_us() + kNoticeUs;
    });
  }
}

void Scenario::kill(const Plan& plan) {
  const NodeId victim = plan.victim;
  note("*** " + std::to_string(victim) + " is killed");
  faults_.back().until_us = cluster_.now_us() + 2 * kNoticeUs;
  stopped_.erase(victim);
  cluster_.kill(victim);
  // With other faults about, a writer that is stopped or parted may hold memory for a good reason.
  const bool is_kills_only = std::all_of(plans_.begin(), plans_.end(), [](const Plan& other) {
    return other.action == Action::kKill || other.action == Action::kCancel;
  });
  if (is_kills_only) {
    const std::int64_t killed_us = cluster_.now_us();
    cluster_.at(kReclaimUs, [this, killed_us] { judge_reclaim(killed_us); });
  }
  if (plan.restart_us == 0) return;
  cluster_.at(plan.restart_us, [this, victim] { try_restart(victim, 20); });
}

void Scenario::try_restart(NodeId node, int tries) {
  if (cluster_.is_alive(node) || cluster_.is_frozen(0)) return;
  const Status started = cluster_.restart(node);
  if (started) {
    note("*** " + std::to_string(node) + " is started anew");
    // Who could not hear of the old process's end has another one under its name now, and no proof.
    for (NodeId other = 1; other < cluster_.nodes(); ++other) {
      if (cluster_.is_parted(node, other)) unproven_.insert(other);
    }
    unhealthy_until_[node] = cluster_.now_us() + kNoticeUs;
    return;
  }
  if (started.error().code != ErrorCode::kUnavailable) {
    return find("a process could not join as rank " + std::to_string(node) + ": " +
                started.error().message);
  }
  if (tries > 0) {
    cluster_.at(200 * kMsUs, [this, node, tries] { try_restart(node, tries - 1); });
  }
}

bool Scenario::is_healthy(NodeId node) const {
  return cluster_.is_alive(node) && cluster_.is_ready(node) && !cluster_.is_frozen(node) &&
         !cluster_.is_parted(0, node) && unhealthy_until_[node] <= cluster_.now_us();
}

bool Scenario::has_healthy_pair() const {
  for (NodeId prefill = 1; cluster_.is_prefill(prefill); ++prefill) {
    if (!is_healthy(prefill)) continue;
    for (NodeId decode = options_.prefill + 1; decode < cluster_.nodes(); ++decode) {
      if (is_healthy(decode) && !cluster_.is_parted(prefill, decode)) return true;
    }
  }
  return false;
}

void Scenario::watch_state() {
  const std::int64_t now_us = cluster_.now_us();
  if (!has_healthy_pair()) last_without_pair_us_ = now_us;
  for (NodeId node = 1; node < cluster_.nodes(); ++node) {
    const runtime::DecodeWorker* decode = cluster_.decode(node);
    if (decode == nullptr || decode->memory().quarantined_bytes == 0) last_clean_us_[node] = now_us;
  }
}

std::vector<std::string> Scenario::run() {
  if (!cluster_.run_until_ready()) {
    find("the cluster did not get ready");
    return findings_;
  }
  draw_requests();
  draw_faults();
  const auto is_over = [this] {
    watch_state();
    return requests_left_ == 0 && cluster_.all_ended();
  };
  if (!cluster_.run_for(120 * kSecondUs, is_over)) {
    find("a request never ended");
    note_state();
  }
  // Until the last fault is over, restarts included, and its traces are gone.
  cluster_.run_for(8 * kSecondUs, [this] {
    watch_state();
    return !findings_.empty() && trace_ == nullptr;
  });
  judge_requests();
  judge_memory();
  if (stopped_.empty() && !cluster_.shut_down())
    find("the cluster did not end when it was told to");
  for (const std::string& finding : cluster_.ledger().findings) find(finding);
  return findings_;
}

void Scenario::note_state() {
  for (NodeId node = 1; node < cluster_.nodes(); ++node) {
    const runtime::DecodeWorker* decode = cluster_.decode(node);
    if (decode == nullptr) continue;
    const runtime::ReceiveEngine::Memory memory = decode->memory();
    note("rank " + std::to_string(node) + ": " + std::to_string(memory.taken_bytes) + " of " +
         std::to_string(memory.arena_bytes) + " bytes taken, " +
         std::to_string(memory.quarantined_bytes) + " in quarantine, " +
         std::to_string(memory.waiting) + " wait, " + std::to_string(decode->free_blocks()) +
         " pages free");
  }
}

void Scenario::note(const std::string& what) {
  if (trace_ != nullptr) *trace_ << cluster_.now_us() << "  " << what << "\n";
}

// --- what must hold -----------------------------------------------------------------------------

void Scenario::judge_requests() {
  for (std::size_t i = 0; i < cluster_.requests().size(); ++i) {
    judge_request(i, cluster_.requests()[i]);
  }
}

void Scenario::judge_request(std::size_t index, const UserRequest& request) {
  const std::string name = "request " + std::to_string(index);
  const SyntheticAnswer answer = synthetic_answer(request.asked);
  const bool is_prefix =
      request.tokens.size() <= answer.tokens.size() &&
      std::equal(request.tokens.begin(), request.tokens.end(), answer.tokens.begin());
  if (!is_prefix) return find(name + " got wrong tokens");
  const bool is_whole = request.finish == runtime::FinishReason::kStop ||
                        request.finish == runtime::FinishReason::kLength;
  if (is_whole) {
    ++ends_["answered"];
    if (request.tokens != answer.tokens || request.finish != answer.finish) {
      find(name + " got a part of its answer as if it were all");
    }
    return;
  }
  ++ends_[request.error ? error_code_name(request.error->code) : "cancelled"];
  if (request.has_ended() && !explains(request)) {
    find(name + " failed, and no fault explains it: " +
         (request.error ? request.error->message : std::string("it was cancelled")));
  }
}

// Whether what has happened is a reason for this request's end.
bool Scenario::explains(const UserRequest& request) const {
  if (!request.error || request.error->code == ErrorCode::kCancelled) return request.was_cancelled;
  const Error& error = *request.error;
  if (error.code == ErrorCode::kInternal) return error.message.find("drawn: ") != std::string::npos;
  if (error.code == ErrorCode::kCorrupt) return options_.world.corrupt_write_chance > 0;
  // A writer that is stopped for ever, or was replaced unproven, keeps memory of who is left.
  if (error.code == ErrorCode::kTimeout) return !stopped_.empty() || !unproven_.empty();
  if (error.code != ErrorCode::kUnavailable) return false;
  // A fault before counts while it is not over.
  const auto faults = std::count_if(faults_.begin(), faults_.end(), [&](const Fault& fault) {
    return fault.at_us <= request.ended_us && fault.until_us + kNoticeUs >= request.submitted_us;
  });
  constexpr std::int64_t kAttempts = 3;
  return (faults > 0 && !request.tokens.empty()) || faults >= kAttempts ||
         last_without_pair_us_ >= request.submitted_us;
}

void Scenario::judge_memory() {
  for (NodeId node = 1; node < cluster_.nodes(); ++node) {
    if (cluster_.is_frozen(node)) continue;
    const std::string name = "rank " + std::to_string(node);
    if (const auto* prefill = cluster_.prefill(node)) {
      const std::size_t taken = prefill->staging_bytes_taken();
      if (taken != 0) find(name + " still holds " + std::to_string(taken) + " bytes of staging");
    }
    const auto* decode = cluster_.decode(node);
    if (decode == nullptr) continue;
    const runtime::ReceiveEngine::Memory memory = decode->memory();
    const bool may_hold = unproven_.contains(node) ||
                          std::any_of(stopped_.begin(), stopped_.end(),
                                      [&](NodeId stopped) { return cluster_.is_prefill(stopped); });
    const std::size_t allowed = may_hold ? memory.quarantined_bytes : 0;
    if (memory.taken_bytes != allowed) {
      find(name + " still holds " + std::to_string(memory.taken_bytes) + " bytes of its arena, " +
           std::to_string(memory.quarantined_bytes) + " of them in quarantine");
    }
    if (memory.waiting != 0) find(name + " keeps handoffs waiting that nobody wants");
    if (decode->free_blocks() != options_.decode_blocks) {
      find(name + " still holds " + std::to_string(options_.decode_blocks - decode->free_blocks()) +
           " pages");
    }
  }
}

void Scenario::judge_reclaim(std::int64_t killed_us) {
  for (NodeId node = 1; node < cluster_.nodes(); ++node) {
    if (cluster_.decode(node) == nullptr || last_clean_us_[node] > killed_us) continue;
    find("rank " + std::to_string(node) + " has memory in quarantine " +
         std::to_string(kReclaimUs / kMsUs) + " ms after its writer was killed");
  }
}

std::string Scenario::describe() const {
  const comm::sim::LinkModel& link = options_.world.link;
  return "seed " + std::to_string(seed_) + ": " + std::to_string(options_.prefill) + " prefill, " +
         std::to_string(options_.decode) + " decode, " +
         std::to_string(static_cast<std::int64_t>(link.bytes_per_s / 125000)) + " Mbit/s, " +
         std::to_string(cluster_.requests().size()) + " requests, " +
         std::to_string(plans_.size()) + " faults and cancels planned, " +
         std::to_string(faults_.size()) + " faults happened";
}

}  // namespace sluice::tests
