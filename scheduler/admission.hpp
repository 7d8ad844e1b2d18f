// SPDX-License-Identifier: Apache-2.0
// Who is served next, and who is told at once that he cannot be. Classes of requests have an
// objective for the time to first token; the queue goes by deadline, with ageing, so that no class
// starves; what cannot meet its objective is refused early, with the time after which it could be,
// in place of waiting for certain failure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sluice::scheduler {

struct SloClass {
  std::string name;
  double ttft_s = 10.0;
  double kl_max = 0.1;  // the coarsest level that it accepts
  // Ageing: a request's deadline counts as earlier by this many seconds for each second waited.
  double ageing = 0.0;
  // What is late is refused where the cluster is overloaded; false: it waits, however long.
  bool may_reject = true;
};

struct QueuedRequest {
  std::uint64_t id = 0;
  std::int32_t slo_class = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens_max = 0;
  double arrived_s = 0.0;  // on the caller's clock, as `now_s` below
};

// Load as one number: seconds of work that is ahead of a new request.
struct AdmissionOutlook {
  double backlog_s = 0.0;  // of prefill, over all workers, queue of admitted requests within
  double service_s = 0.0;  // of this request, alone
};

class AdmissionQueue {
 public:
  explicit AdmissionQueue(std::vector<SloClass> classes, std::int64_t requests_max);

  struct Refusal {
    double retry_after_s = 0.0;  // at least 1
    const char* reason = "";     // a clause: "the queue is full"
  };
  // Takes the request into the queue, or says why not.
  std::optional<Refusal> offer(const QueuedRequest& request, const AdmissionOutlook& outlook,
                               double now_s);
  // The id to be placed next: earliest deadline first, aged. Empty: nobody waits.
  std::optional<std::uint64_t> front(double now_s) const;
  // Placed, cancelled or failed.
  void remove(std::uint64_t id);
  // Those whose objective has become out of reach by now and whose class may be refused, with the
  // outlook for each as `backlog_s` ahead of it; removed from the queue.
  std::vector<std::uint64_t> take_hopeless(double service_s_per_token, double now_s);

  std::size_t size() const { return queue_.size(); }
  const std::vector<SloClass>& classes() const { return classes_; }

 private:
  double deadline_s(const QueuedRequest& request, double now_s) const;

  std::vector<SloClass> classes_;
  std::int64_t requests_max_;
  std::map<std::uint64_t, QueuedRequest> queue_;
};

}  // namespace sluice::scheduler
