// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "comm/bootstrap/bootstrap.hpp"

namespace sluice::comm {
namespace {

// One exchange among threads.
struct Meeting {
  explicit Meeting(NodeId ranks) : given(ranks) {}

  std::mutex mutex;
  std::condition_variable complete;
  std::vector<std::vector<std::byte>> given;  // guarded by the mutex
  std::size_t arrived = 0;                    // guarded by the mutex
};

class LocalBootstrap final : public Bootstrap {
 public:
  LocalBootstrap(NodeId rank, std::shared_ptr<Meeting> meeting)
      : rank_(rank), meeting_(std::move(meeting)) {}

  NodeId rank() const override { return rank_; }
  NodeId ranks() const override { return static_cast<NodeId>(meeting_->given.size()); }

  Result<std::vector<std::vector<std::byte>>> exchange(Bytes mine) override {
    if (std::exchange(is_used_, true)) {
      return make_error(ErrorCode::kInvalidArgument, "a bootstrap exchanges once");
    }
    std::unique_lock lock(meeting_->mutex);
    meeting_->given[rank_].assign(mine.begin(), mine.end());
    if (++meeting_->arrived == meeting_->given.size()) meeting_->complete.notify_all();
    meeting_->complete.wait(lock, [&] { return meeting_->arrived == meeting_->given.size(); });
    return meeting_->given;
  }

 private:
  NodeId rank_;
  std::shared_ptr<Meeting> meeting_;
  bool is_used_ = false;
};

}  // namespace

std::vector<std::unique_ptr<Bootstrap>> open_local_bootstraps(NodeId ranks) {
  const auto meeting = std::make_shared<Meeting>(ranks);
  std::vector<std::unique_ptr<Bootstrap>> bootstraps;
  for (NodeId rank = 0; rank < ranks; ++rank) {
    bootstraps.push_back(std::make_unique<LocalBootstrap>(rank, meeting));
  }
  return bootstraps;
}

}  // namespace sluice::comm
