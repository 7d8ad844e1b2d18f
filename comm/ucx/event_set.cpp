// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/event_set.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string>

namespace sluice::comm::ucx {

Result<EventSet> EventSet::open() {
  EventSet set;
  set.descriptor_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (set.number() >= 0) return set;
  return make_error(ErrorCode::kResourceExhausted,
                    std::string("no event descriptor: ") + std::strerror(errno));
}

Status EventSet::add(int descriptor, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (::epoll_ctl(number(), EPOLL_CTL_ADD, descriptor, &event) == 0) return {};
  return make_error(ErrorCode::kResourceExhausted,
                    std::string("a descriptor cannot be waited for: ") + std::strerror(errno));
}

void EventSet::remove(int descriptor) {
  (void)::epoll_ctl(number(), EPOLL_CTL_DEL, descriptor, nullptr);
}

std::size_t EventSet::wait(std::chrono::milliseconds timeout, std::span<std::uint64_t> tags) {
  std::array<epoll_event, 8> events{};
  const auto limit = std::clamp<std::chrono::milliseconds::rep>(timeout.count(), 0,
                                                                std::numeric_limits<int>::max());
  const auto room = static_cast<int>(std::clamp<std::size_t>(tags.size(), 1, events.size()));
  const int found = ::epoll_wait(number(), events.data(), room, static_cast<int>(limit));
  const std::size_t count = std::min<std::size_t>(std::max(found, 0), tags.size());
  for (std::size_t i = 0; i < count; ++i) tags[i] = events[i].data.u64;
  return count;
}

}  // namespace sluice::comm::ucx
