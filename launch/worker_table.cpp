// SPDX-License-Identifier: Apache-2.0
#include "launch/worker_table.hpp"

#include <fmt/format.h>

#include <ostream>

#include "runtime/telemetry/human_number.hpp"

namespace sluice::launch {

void print_worker_table(std::ostream& out, std::span<const runtime::WorkerReport> reports) {
  if (reports.empty()) return;
  out << fmt::format("{:<6}{:<10}{:>14}  {}\n", "rank", "role", "peak memory",
                     "of it mapped from files");
  for (const runtime::WorkerReport& report : reports) {
    out << fmt::format("{:<6}{:<10}{:>14}  {}\n", report.node, runtime::role_name(report.role),
                       runtime::human_bytes(static_cast<double>(report.memory_peak_bytes)),
                       runtime::human_bytes(static_cast<double>(report.memory_file_bytes)));
  }
}

}  // namespace sluice::launch
