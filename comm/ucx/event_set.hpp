// SPDX-License-Identifier: Apache-2.0
// Descriptors to sleep on, kept by the kernel between sleeps. Private to the folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include "comm/ucx/ucx_handles.hpp"

namespace sluice::comm::ucx {

class EventSet {
 public:
  static Result<EventSet> open();

  // Readable while one of the set is: sets can be members of sets.
  int number() const { return descriptor_.number(); }

  // `tag` comes back from wait(). A member leaves by remove(), before it is closed.
  Status add(int descriptor, std::uint64_t tag);
  void remove(int descriptor);

  // Sleeps until a member is readable or `timeout` passed. Fills `tags` with those that are, as far
  // as they fit, and returns how many.
  std::size_t wait(std::chrono::milliseconds timeout, std::span<std::uint64_t> tags);

 private:
  Descriptor descriptor_;
};

}  // namespace sluice::comm::ucx
