// SPDX-License-Identifier: Apache-2.0
// A request as its receiver keeps it: the handoffs of all its writers, and how it ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "runtime/transfer/incoming_handoff.hpp"
#include "runtime/transfer/receive_engine.hpp"

namespace sluice::runtime {

struct IncomingRequest {
  struct Failure {
    Error error;
    bool tell = false;  // as FrameSink::drop()
  };

  ReceiveTerms terms;
  std::int32_t writers = 1;
  std::map<comm::NodeId, IncomingHandoff> handoffs;  // by writer
  std::int64_t wanted_us = 0;                        // when its first Want came
  bool is_open = false;                              // the sink's
  bool is_dropped = false;
  std::int64_t in_work = 0;  // frames with the sink
  std::optional<Failure> failure;
};

}  // namespace sluice::runtime
