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
#include <unordered_map>
#include <utility>
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

// Seconds of work that is ahead of a new request.
struct AdmissionOutlook {
  // Until a worker would begin with it: the least that any live worker has before it, and what
  // waits in the queue, over all workers.
  double backlog_s = 0.0;
  double service_s = 0.0;  // of this request, alone
  // What a prompt token takes of the whole cluster: a worker's seconds per token by the number of
  // workers. When it is set, `backlog_s` is without the queue, of which only those count that would
  // be placed first (a request of a tight class is not refused for the sake of patient ones that it
  // overtakes), and the classes share the cluster fairly.
  double queue_s_per_token = 0.0;
};

// Classes and their shares. Each class is entitled to an equal part of the cluster and of what
// others leave of theirs, by the work that they have asked for of late (max-min fairness; a
// minute's memory). While more is asked for than can be done, a class is admitted at that rate and
// no faster, so that the patient do not fill the cluster long before the impatient come. What a
// class that is never refused has beyond its share falls due when its share would have come to it.
//
// Every operation takes O(log n + classes^2) of n waiting requests.
class AdmissionQueue {
 public:
  // No class: one by the defaults. A request of an unknown class is of the first. Each of several
  // classes has places that the others cannot fill, half of all together.
  explicit AdmissionQueue(std::vector<SloClass> classes, std::int64_t requests_max);

  struct Refusal {
    double retry_after_s = 0.0;  // at least 1, at most an hour
    const char* reason = "";     // a clause: "the queue is full"
  };
  // Takes the request into the queue, or says why not. A request that is longer than its objective
  // allows on an idle cluster is late wherever it waits: it is taken when next to nothing is ahead
  // of it. An id that waits already takes its new place.
  std::optional<Refusal> offer(const QueuedRequest& request, const AdmissionOutlook& outlook,
                               double now_s);
  // The id to be placed next: earliest deadline first, aged; of equal ones the lowest id. Empty:
  // nobody waits. For the order, no objective is longer than an hour, so that one without a bound
  // is served too.
  std::optional<std::uint64_t> front(double now_s) const;
  // Placed, cancelled or failed. Unknown ids are ignored.
  void remove(std::uint64_t id);
  // Those whose objective has become out of reach by now, even if they were placed at once, and
  // whose class may be refused: longest waited first, by class; removed from the queue. Takes time
  // by those that are in doubt.
  std::vector<std::uint64_t> take_hopeless(double service_s_per_token, double now_s);

  std::size_t size() const { return queue_.size(); }
  std::int64_t prompt_tokens() const;  // of all that wait
  const std::vector<SloClass>& classes() const { return classes_; }

 private:
  struct Waiting {
    double arrived_s = 0.0;
    std::int64_t tokens = 0;
  };
  // The requests of one class: which of them is first is the same at any time.
  struct Line {
    std::map<std::pair<double, std::uint64_t>, Waiting> requests;  // by order_of(), then id
    std::int64_t tokens = 0;
    std::int64_t tokens_max = 0;  // no prompt in the line is longer
    // In seconds of the whole cluster: asked for, per second; admitted beyond its share so far.
    double demand = 0.0;
    double ahead_s = 0.0;
  };
  struct Place {
    std::size_t slo_class = 0;
    double order = 0.0;
  };

  std::size_t class_of(const QueuedRequest& request) const;
  double aged_due_s(std::size_t slo_class, double order, double now_s) const;
  bool has_place(std::size_t slo_class) const;
  std::int64_t tokens_before(double due_s, double now_s) const;
  double share_of(std::size_t slo_class) const;
  void let_pass(double now_s);  // time, for demands and shares

  std::vector<SloClass> classes_;
  std::int64_t requests_max_;
  std::vector<Line> lines_;  // one per class
  double updated_s_ = 0.0;
  std::unordered_map<std::uint64_t, Place> queue_;
};

}  // namespace sluice::scheduler
