// SPDX-License-Identifier: Apache-2.0
#include "comm/ucx/landings.hpp"

#include <algorithm>
#include <utility>

namespace sluice::comm::ucx {

bool Landings::admits(std::uint64_t instance, std::uint64_t serial) {
  Writer& writer = writers_[instance];
  if (serial <= writer.given_up || serial < writer.serial) return false;
  if (serial > writer.serial) {
    writer.serial = serial;
    writer.landed = 0;
    writer.landed_ahead.clear();
    if (std::exchange(writer.is_next_given_up, false)) writer.given_up = serial;
  }
  return serial > writer.given_up;
}

void Landings::landed(std::uint64_t instance, std::uint64_t serial, std::uint64_t sequence) {
  Writer& writer = writers_[instance];
  if (serial != writer.serial || sequence <= writer.landed) return;
  if (sequence != writer.landed + 1) {
    writer.landed_ahead.insert(sequence);
    return;
  }
  ++writer.landed;
  auto next = writer.landed_ahead.begin();
  while (next != writer.landed_ahead.end() && *next == writer.landed + 1) {
    ++writer.landed;
    next = writer.landed_ahead.erase(next);
  }
}

Landings::Verdict Landings::ask(std::uint64_t instance, std::uint64_t serial,
                                std::uint64_t sequence) {
  if (!admits(instance, serial)) return Verdict::kRefused;
  return writers_[instance].landed >= sequence ? Verdict::kLanded : Verdict::kNotYet;
}

void Landings::give_up(std::uint64_t instance) {
  Writer& writer = writers_[instance];
  writer.given_up = std::max(writer.given_up, writer.serial);
  writer.is_next_given_up = writer.serial == 0;
}

}  // namespace sluice::comm::ucx
