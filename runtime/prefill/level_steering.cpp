// SPDX-License-Identifier: Apache-2.0
#include "runtime/prefill/level_steering.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/core/check.hpp"
#include "scheduler/cost_model.hpp"

namespace sluice::runtime {
namespace {

std::string layers_text(double layers) {
  const auto tenths = std::max<std::int64_t>(std::llround(layers * 10.0), 1);
  std::string text = std::to_string(tenths / 10);
  if (tenths % 10 != 0) text.append(".").append(std::to_string(tenths % 10));
  return text;
}

}  // namespace

LevelSteering::LevelSteering(SteeringRequest request, const FramePlan& plan, std::int64_t tokens)
    : request_(std::move(request)),
      tokens_(tokens),
      layers_(request_.candidates.front().pipeline->shape().layers),
      level_(request_.level) {
  SLUICE_CHECK(!plan.frames.empty(), "a handoff has frames");
  sent_tokens_ = tokens - plan.frames.front().first_token;
  for (const LevelPipeline& candidate : request_.candidates) indices_.push_back(candidate.level);
  for (const PlannedFrame& frame : plan.frames) {
    tokens_left_ += share(frame);
    if (frame.last_token == tokens) {
      last_frame_tokens_ = std::max(last_frame_tokens_, share(frame));
    }
  }
}

double LevelSteering::share(const PlannedFrame& frame) const {
  const std::int64_t all_heads = request_.candidates.front().pipeline->shape().kv_heads;
  const std::int64_t heads = frame.head_count == 0 ? all_heads : frame.head_count;
  return static_cast<double>((frame.last_token - frame.first_token) * frame.layer_count * heads) /
         static_cast<double>(layers_ * all_heads);
}

double LevelSteering::bytes(std::int32_t level, const PlannedFrame& frame) const {
  return share(frame) * request_.levels->levels[static_cast<std::size_t>(level)].bytes_per_token;
}

void LevelSteering::see_link(const scheduler::LinkOutlook& link, std::uint64_t flushed_bytes) {
  const std::lock_guard lock(mutex_);
  link_ = link;
  flushed_bytes_ = flushed_bytes;
}

scheduler::HandoffProgress LevelSteering::progress(double computed_share,
                                                   std::int64_t now_us) const {
  const scheduler::LevelTable& table = *request_.levels;
  const auto computed =
      std::min(tokens_, static_cast<std::int64_t>(computed_share * static_cast<double>(tokens_)));
  scheduler::WorkerState worker;
  worker.prefill_speed = request_.prefill_speed;
  worker.prefill_speed.fixed_s = 0.0;  // it has begun
  scheduler::HandoffProgress left;
  left.time_left_s = 1e-6 * static_cast<double>(request_.deadline_us - now_us);
  left.raw_bytes_left = tokens_left_ * table.raw_bytes_per_token;
  // What was flushed a moment ago may be known here before its frame is.
  left.wire_bytes_left =
      pending_bytes_ + static_cast<double>(made_bytes_ - std::min(made_bytes_, flushed_bytes_));
  left.prefill_left_s = scheduler::prefill_seconds(worker, &table, tokens_ - computed, computed);
  left.after_s =
      last_frame_tokens_ * table.levels[static_cast<std::size_t>(level_)].decode_s_per_token +
      table.decode_s_per_output_token;
  return left;
}

std::shared_ptr<const kernels::Pipeline> LevelSteering::choose(const PlannedFrame& frame,
                                                               double computed_share,
                                                               std::int64_t now_us) {
  const std::lock_guard lock(mutex_);
  level_ = scheduler::choose_next_level(*request_.levels, indices_, level_,
                                        progress(computed_share, now_us), link_,
                                        request_.codec_slowness);
  tokens_left_ -= share(frame);
  pending_bytes_ += bytes(level_, frame);
  auto sent = std::find_if(sent_.begin(), sent_.end(),
                           [&](const Sent& one) { return one.level == level_; });
  if (sent == sent_.end()) sent = sent_.insert(sent_.end(), Sent{level_, 0.0});
  sent->layers += static_cast<double>(frame.layer_count * (frame.last_token - frame.first_token)) /
                  static_cast<double>(sent_tokens_);
  const auto chosen =
      std::find_if(request_.candidates.begin(), request_.candidates.end(),
                   [&](const LevelPipeline& candidate) { return candidate.level == level_; });
  SLUICE_CHECK(chosen != request_.candidates.end(), "a level is chosen from the candidates");
  return chosen->pipeline;
}

void LevelSteering::made(const MadeFrame& frame) {
  const std::lock_guard lock(mutex_);
  const auto level =
      std::find_if(request_.candidates.begin(), request_.candidates.end(),
                   [&](const LevelPipeline& one) { return one.pipeline == frame.pipeline; });
  if (level != request_.candidates.end()) {
    pending_bytes_ = std::max(0.0, pending_bytes_ - bytes(level->level, frame.place));
  }
  made_bytes_ += frame.bytes;
}

const std::string& LevelSteering::name(std::int32_t level) const {
  return request_.levels->levels[static_cast<std::size_t>(level)].pipeline;
}

std::string LevelSteering::first() const {
  const std::lock_guard lock(mutex_);
  return sent_.empty() ? std::string() : name(sent_.front().level);
}

std::string LevelSteering::levels() const {
  const std::lock_guard lock(mutex_);
  if (sent_.empty() || (sent_.size() == 1 && sent_[0].level == request_.level)) return {};
  std::string text = name(sent_[0].level) + " " + layers_text(sent_[0].layers) + " layers";
  for (std::size_t i = 1; i < sent_.size(); ++i) {
    text += ", " + name(sent_[i].level) + " " + layers_text(sent_[i].layers);
  }
  return text;
}

}  // namespace sluice::runtime
