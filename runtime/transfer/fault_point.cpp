// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/fault_point.hpp"

#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <mutex>

namespace sluice::runtime {
namespace {

constexpr std::array<std::string_view, 10> kNames{
    "prefill.before_want",     "prefill.before_grant", "prefill.mid_layers", "prefill.after_flush",
    "prefill.before_manifest", "decode.before_grant",  "decode.after_grant", "decode.mid_layers",
    "decode.before_taken",     "decode.after_manifest"};
static_assert(kNames.size() == static_cast<std::size_t>(FaultPoint::kDecodeAfterManifest) + 1);

struct Armed {
  std::mutex mutex;
  Fault fault;
};

Armed& armed() {
  static Armed one;
  return one;
}

Error refuse(std::string_view text, const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument, "the fault \"" + std::string(text) + "\" " + why);
}

}  // namespace

std::string_view fault_point_name(FaultPoint point) {
  return kNames[static_cast<std::size_t>(point)];
}

Result<Fault> parse_fault(std::string_view text) {
  const std::size_t first = text.find(':');
  const std::size_t second = first == text.npos ? text.npos : text.find(':', first + 1);
  if (second == text.npos) return refuse(text, "is not POINT:kill:N or POINT:stop:N");
  const std::string_view point = text.substr(0, first);
  const std::string_view action = text.substr(first + 1, second - first - 1);
  const std::string_view passage = text.substr(second + 1);
  Fault fault;
  std::size_t index = 0;
  while (index < kNames.size() && kNames[index] != point) ++index;
  if (index == kNames.size()) {
    std::string names;
    for (const std::string_view name : kNames) names.append(" ").append(name);
    return refuse(text, "names no point; there are" + names);
  }
  fault.point = static_cast<FaultPoint>(index);
  if (action != "kill" && action != "stop") return refuse(text, "neither kills nor stops");
  fault.action = action == "kill" ? FaultAction::kKill : FaultAction::kStop;
  const char* end = passage.data() + passage.size();
  const auto [stopped, failed] = std::from_chars(passage.data(), end, fault.passage);
  if (failed != std::errc{} || stopped != end || fault.passage < 1) {
    return refuse(text, "has no passage of 1 or more");
  }
  return fault;
}

void arm_fault(const Fault& fault) {
  const std::lock_guard lock(armed().mutex);
  armed().fault = fault;
  fault_detail::is_armed = true;
}

namespace fault_detail {

std::atomic<bool> is_armed{false};

void pass(FaultPoint point) {
  FaultAction action = FaultAction::kKill;
  {
    const std::lock_guard lock(armed().mutex);
    Fault& fault = armed().fault;
    if (point != fault.point || !is_armed || --fault.passage != 0) return;
    action = fault.action;
    is_armed = false;
  }
  kill(getpid(), action == FaultAction::kKill ? SIGKILL : SIGSTOP);
}

}  // namespace fault_detail
}  // namespace sluice::runtime
