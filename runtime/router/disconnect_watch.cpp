// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/disconnect_watch.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace sluice::runtime {

Result<std::unique_ptr<DisconnectWatch>> DisconnectWatch::start() {
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  const int waker = ::eventfd(0, EFD_CLOEXEC);
  std::unique_ptr<DisconnectWatch> watch(new DisconnectWatch(poller, waker));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (poller < 0 || waker < 0 || ::epoll_ctl(poller, EPOLL_CTL_ADD, waker, &event) != 0) {
    return make_error(ErrorCode::kResourceExhausted,
                      "too many open files to watch client connections");
  }
  watch->thread_ = std::thread([raw = watch.get()] { raw->loop(); });
  return watch;
}

DisconnectWatch::~DisconnectWatch() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    // Writing to an eventfd fails only when its counter is full, which wakes the loop as well.
    if (::write(waker_, &one, sizeof(one)) < 0) {
    }
    thread_.join();
  }
  for (const auto& [id, entry] : entries_) ::close(entry.socket);
  if (poller_ >= 0) ::close(poller_);
  if (waker_ >= 0) ::close(waker_);
}

std::unique_ptr<DisconnectWatch::Guard> DisconnectWatch::watch(int socket,
                                                               std::function<void()> on_hang_up) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = next_id_++;
  if (all_hung_up_) {
    on_hang_up();
    return std::make_unique<Guard>(*this, id);
  }
  const int duplicate = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
  epoll_event event{};
  // Not EPOLLIN: bytes of a next request say nothing about this one.
  event.events = EPOLLRDHUP | EPOLLONESHOT;
  event.data.u64 = id;
  // Without a free descriptor the request still runs; only its client's hanging up goes unseen.
  if (duplicate >= 0) ::epoll_ctl(poller_, EPOLL_CTL_ADD, duplicate, &event);
  entries_.emplace(id, Entry{duplicate, std::move(on_hang_up)});
  return std::make_unique<Guard>(*this, id);
}

void DisconnectWatch::hang_up_all() {
  const std::lock_guard lock(mutex_);
  all_hung_up_ = true;
  for (auto& [id, entry] : entries_) {
    if (const auto on_hang_up = std::exchange(entry.on_hang_up, nullptr)) on_hang_up();
  }
}

void DisconnectWatch::forget(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  if (entry->second.socket >= 0) {
    // Closing alone is not enough: the connection's own descriptor keeps the registration alive.
    ::epoll_ctl(poller_, EPOLL_CTL_DEL, entry->second.socket, nullptr);
    ::close(entry->second.socket);
  }
  entries_.erase(entry);
}

void DisconnectWatch::loop() {
  for (;;) {
    epoll_event event{};
    if (::epoll_wait(poller_, &event, 1, -1) < 1) continue;
    if (event.data.u64 == 0) return;
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(event.data.u64);
    if (entry == entries_.end()) continue;
    if (const auto on_hang_up = std::exchange(entry->second.on_hang_up, nullptr)) on_hang_up();
  }
}

}  // namespace sluice::runtime
