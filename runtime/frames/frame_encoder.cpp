// SPDX-License-Identifier: Apache-2.0
#include "runtime/frames/frame_encoder.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "kernels/pipeline/frame.hpp"
#include "runtime/frames/kv_pages.hpp"
#include "runtime/telemetry/clock.hpp"

namespace sluice::runtime {
namespace {

// A frame takes about as long to make.
constexpr std::chrono::milliseconds kCancelCheck{5};

}  // namespace

FrameEncoder::FrameEncoder(CodecPool& pool, EncodeRequest request,
                           std::function<void(const MadeFrame&)> on_frame)
    : pool_(pool),
      request_(std::move(request)),
      on_frame_(std::move(on_frame)),
      wants_scores_(request_.pipeline->score_needs().any()),
      waits_for_all_(request_.pipeline->needs_all_layers()),
      ready_(static_cast<std::size_t>(request_.pipeline->shape().layers), 0),
      scored_(ready_.size(), false),
      next_part_(static_cast<std::size_t>(request_.plan.groups), 0) {
  SLUICE_CHECK(request_.memory.size() >= request_.plan.bytes, "too little memory for the frames");
  SLUICE_CHECK(!wants_scores_ || request_.scores.size() == ready_.size(), "scores of every layer");
}

FrameEncoder::~FrameEncoder() {
  std::unique_lock lock(mutex_);
  if (status_) status_ = make_error(ErrorCode::kCancelled, "the request was cancelled");
  done_.wait(lock, [this] { return left_ == 0; });
}

bool FrameEncoder::is_ready(std::int64_t group, std::int64_t last_token) const {
  const auto& frame = request_.plan.frames[static_cast<std::size_t>(group)];
  for (std::int64_t i = 0; i < frame.layer_count; ++i) {
    const auto layer = static_cast<std::size_t>(frame.layer_first + i);
    if (ready_[layer] < last_token || (wants_scores_ && !scored_[layer])) return false;
  }
  return true;
}

// Below 0, or beyond the last: of layers that are not sent.
std::int64_t FrameEncoder::group_of(std::int64_t layer) const {
  const std::int64_t within = layer - request_.plan.range.layer_first;
  return within < 0 ? -1 : within / request_.pipeline->layers_per_frame();
}

void FrameEncoder::submit_ready(std::int64_t group) {
  if (waits_for_all_ || group < 0 || group >= request_.plan.groups) return;
  std::int64_t& part = next_part_[static_cast<std::size_t>(group)];
  while (part < request_.plan.parts) {
    const auto& frame =
        request_.plan.frames[static_cast<std::size_t>(part * request_.plan.groups + group)];
    if (!is_ready(group, frame.last_token)) return;
    submit(frame);
    ++part;
  }
}

void FrameEncoder::layer_ready(std::int64_t layer, std::int64_t last_token) {
  std::int64_t& ready = ready_[static_cast<std::size_t>(layer)];
  const std::int64_t within = layer - request_.plan.range.layer_first;
  if (within >= 0 && within < request_.plan.range.layer_count) rows_ready_ += last_token - ready;
  ready = last_token;
  submit_ready(group_of(layer));
}

void FrameEncoder::layer_scored(std::int64_t layer) {
  scored_[static_cast<std::size_t>(layer)] = true;
  submit_ready(group_of(layer));
}

void FrameEncoder::submit(const PlannedFrame& frame) {
  {
    const std::lock_guard lock(mutex_);
    ++left_;
  }
  pool_.submit([this, &frame](kernels::Scratch& scratch) { encode(frame, scratch); });
}

void FrameEncoder::encode(const PlannedFrame& frame, kernels::Scratch& scratch) {
  {
    const std::lock_guard lock(mutex_);
    if (!status_) {  // another frame failed, or the request was cancelled
      if (--left_ == 0) done_.notify_all();
      return;
    }
  }
  const auto made = make(frame, scratch);
  if (made) on_frame_(*made);
  // Under the lock to the end: whoever waits may destroy the encoder once it is open.
  const std::lock_guard lock(mutex_);
  if (!made && status_) status_ = made.error();
  if (--left_ == 0) done_.notify_all();
}

std::shared_ptr<const kernels::Pipeline> FrameEncoder::choose(const PlannedFrame& frame) const {
  if (!request_.choose) return request_.pipeline;
  const std::int64_t rows = request_.tokens * request_.plan.range.layer_count;
  return request_.choose(frame, static_cast<double>(rows_ready_) / static_cast<double>(rows));
}

Result<MadeFrame> FrameEncoder::make(const PlannedFrame& frame, kernels::Scratch& scratch) {
  const std::int64_t started_us = monotonic_us();
  auto pipeline = choose(frame);
  std::vector<PagesOfLayer> layers;
  std::vector<kernels::KvPages> pages;
  layers.reserve(static_cast<std::size_t>(frame.layer_count));
  for (std::int64_t i = 0; i < frame.layer_count; ++i) {
    layers.emplace_back(*request_.kv_pool, request_.blocks, frame.layer_first + i);
    pages.push_back(layers.back().view());
  }
  kernels::EncodeTask task;
  task.layer_first = frame.layer_first;
  task.pages = pages;
  task.pages_head_first = request_.kv_pool->shape().head_first;
  task.head_first = frame.head_first;
  task.head_count = frame.head_count;
  task.first_token = frame.first_token;
  task.last_token = frame.last_token;
  if (wants_scores_) {
    task.scores = waits_for_all_
                      ? request_.scores
                      : request_.scores.subspan(static_cast<std::size_t>(frame.layer_first),
                                                static_cast<std::size_t>(frame.layer_count));
  }
  task.plan = layer_plan_ ? &*layer_plan_ : nullptr;
  task.seed = request_.seed;
  const MutableBytes memory = request_.memory.subspan(frame.offset, frame.bytes_max);
  const auto report = SLUICE_TRY(pipeline->encode(task, memory, scratch));
  const Bytes bytes = Bytes(memory).first(report.frame_bytes);
  const auto info = SLUICE_TRY(kernels::read_frame_info(bytes));
  const std::int64_t ended_us = monotonic_us();
  const std::lock_guard lock(mutex_);
  totals_.encode_us += ended_us - started_us;
  totals_.last_us = std::max(totals_.last_us, ended_us);
  totals_.frame_bytes += report.frame_bytes;
  totals_.elements += report.elements;
  totals_.elements_kept += report.elements_kept;
  return MadeFrame{frame, report.frame_bytes, info.checksum, ended_us - started_us,
                   std::move(pipeline)};
}

Status FrameEncoder::plan_layers() {
  layer_plan_ =
      SLUICE_TRY(request_.pipeline->plan_layers(request_.tokens, request_.scores, request_.seed));
  return {};
}

Status FrameEncoder::finish(const std::function<bool()>& is_cancelled) {
  if (waits_for_all_) {
    SLUICE_TRY(plan_layers());
    for (const PlannedFrame& frame : request_.plan.frames) submit(frame);
  }
  const auto is_done = [this] { return left_ == 0; };
  std::unique_lock lock(mutex_);
  while (is_cancelled && !is_done()) {
    lock.unlock();
    const bool stop = is_cancelled();
    lock.lock();
    if (stop) {  // frames not begun are left out
      if (status_) status_ = make_error(ErrorCode::kCancelled, "the request was cancelled");
      break;
    }
    done_.wait_for(lock, kCancelCheck, is_done);
  }
  done_.wait(lock, is_done);
  return status_;
}

EncodeTotals FrameEncoder::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

}  // namespace sluice::runtime
