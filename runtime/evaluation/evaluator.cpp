// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/evaluator.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/engine/decode_team.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/evaluation_plan.hpp"

namespace sluice::runtime {
namespace {

// References that wait to be measured, each a whole cache in memory.
constexpr std::size_t kWaitingMax = 1;
// Caches that one thread measures side by side: as many as one step decodes for, and as fit here.
constexpr std::int64_t kTogetherMax = 16;
constexpr std::int64_t kTogetherBytes = std::int64_t{256} << 20;

// A reference, and what is still to be measured on it.
struct OpenItem {
  const PlannedItem* planned;
  Reference reference;
  std::size_t next = 0;  // of planned->measurements
};

struct Batch {
  std::shared_ptr<const OpenItem> item;
  std::span<const PlannedMeasurement> measurements;
};

// One thread makes references, the others measure on them: prefill is never waited for, unless
// there is little to measure on each.
class EvaluationRun {
 public:
  EvaluationRun(const EvaluationPlan& plan, const EvaluationModel& model,
                const EvaluationOptions& options, OutcomeFile& file)
      : plan_(plan), model_(model), options_(options), file_(file), done_(plan.done()) {
    threads_ = options.threads > 0 ? options.threads : usable_cores();
  }

  Status run() {
    report();
    if (plan_.items().empty()) return {};
    const auto prefill_options =
        SLUICE_TRY(engine_options("cpu", "auto", std::max(1, threads_ / 2)));
    const auto prefill = SLUICE_TRY(PrefillEngine::create(*model_.file, prefill_options, {}));
    std::vector<std::unique_ptr<DecodeEngine>> engines;
    for (int i = 0; i <= threads_; ++i) {
      engines.push_back(SLUICE_TRY(DecodeEngine::create(*model_.file, {.threads = 1})));
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < threads_; ++i) {
      threads.emplace_back(
          [this, &engine = *engines[static_cast<std::size_t>(i)]] { measure_all(engine); });
    }
    prepare_all(*prefill, *engines.back());
    for (std::thread& thread : threads) thread.join();
    return status_;
  }

 private:
  void prepare_all(PrefillEngine& prefill, DecodeEngine& decode) {
    for (const PlannedItem& planned : plan_.items()) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return is_ending_ || waiting_.size() <= kWaitingMax; });
      }
      if (is_cancelled() || is_ending()) break;
      const bool is_repeated =
          std::any_of(planned.measurements.begin(), planned.measurements.end(),
                      [](const auto& each) { return each.pipeline->score_needs().reconstruction; });
      auto reference = make_reference(*planned.item, model_, prefill, decode, is_repeated);
      if (!reference) {
        end_with(reference.error());
        break;
      }
      add(planned, std::move(*reference));
    }
    const std::lock_guard lock(mutex_);
    are_all_prepared_ = true;
    changed_.notify_all();
  }

  void add(const PlannedItem& planned, Reference reference) {
    const std::lock_guard lock(mutex_);
    if (planned.lacks_full) {
      reference.full.key = planned.full_key;
      keep(reference.full);
    }
    if (planned.measurements.empty()) return;
    waiting_.push_back(std::make_shared<OpenItem>(OpenItem{&planned, std::move(reference), 0}));
    changed_.notify_all();
  }

  void measure_all(DecodeEngine& decode) {
    for (;;) {
      const Batch batch = take();
      if (!batch.item || is_cancelled()) return;
      std::vector<const kernels::Pipeline*> pipelines;
      for (const auto& measurement : batch.measurements) pipelines.push_back(measurement.pipeline);
      auto outcomes =
          measure_outcomes(batch.item->reference, pipelines, options_.profile, model_, decode);
      if (!outcomes) return end_with(outcomes.error());
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < outcomes->size(); ++i) {
        (*outcomes)[i].key = batch.measurements[i].key;
        keep((*outcomes)[i]);
      }
    }
  }

  // Without an item: there is no more to do.
  Batch take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_ending_ || are_all_prepared_ || !waiting_.empty(); });
    if (is_ending_ || waiting_.empty()) return {};
    const std::shared_ptr<OpenItem> item = waiting_.front();
    const std::span<const PlannedMeasurement> all = item->planned->measurements;
    const std::size_t count = together(*item, all.size() - item->next);
    const auto batch = all.subspan(item->next, count);
    item->next += count;
    if (item->next == all.size()) {
      waiting_.pop_front();
      changed_.notify_all();
    }
    return {item, batch};
  }

  // An even share for each thread, since all threads work on one item.
  std::size_t together(const OpenItem& item, std::size_t left) const {
    const auto share = (static_cast<std::int64_t>(left) + threads_ - 1) / threads_;
    const std::int64_t fitting =
        kTogetherBytes / std::max<std::int64_t>(1, item.reference.full.raw_bytes);
    return static_cast<std::size_t>(
        std::clamp<std::int64_t>(std::min(share, fitting), 1, kTogetherMax));
  }

  // With the mutex held.
  void keep(const Outcome& outcome) {
    ++done_;
    if (status_) status_ = file_.append(outcome);
    if (!status_) is_ending_ = true;
    report();
  }

  void report() const {
    if (options_.progress) options_.progress(done_, plan_.total());
  }

  bool is_cancelled() {
    if (!options_.is_cancelled || !options_.is_cancelled()) return false;
    end_with(make_error(ErrorCode::kCancelled, "the evaluation was stopped"));
    return true;
  }

  bool is_ending() {
    const std::lock_guard lock(mutex_);
    return is_ending_;
  }

  void end_with(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (status_) status_ = error;
    is_ending_ = true;
    changed_.notify_all();
  }

  const EvaluationPlan& plan_;
  const EvaluationModel& model_;
  const EvaluationOptions& options_;
  OutcomeFile& file_;
  int threads_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<OpenItem>> waiting_;
  bool are_all_prepared_ = false;
  bool is_ending_ = false;
  Status status_;
  std::int64_t done_;
};

}  // namespace

Result<std::vector<Outcome>> evaluate(std::span<const EvaluationJob> jobs,
                                      const EvaluationModel& model,
                                      const EvaluationOptions& options, OutcomeFile& file) {
  const auto plan = SLUICE_TRY(EvaluationPlan::make(jobs, model, options.profile, file));
  if (!options.is_report_only) SLUICE_TRY(EvaluationRun(plan, model, options, file).run());
  return plan.collect(file);
}

}  // namespace sluice::runtime
