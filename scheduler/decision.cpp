// SPDX-License-Identifier: Apache-2.0
#include "scheduler/decision.hpp"

namespace sluice::scheduler {

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPlace:
      return "place";
    case Verdict::kLocal:
      return "local";
    case Verdict::kWait:
      return "wait";
    case Verdict::kReject:
      return "reject";
  }
  return "unknown";
}

}  // namespace sluice::scheduler
