// SPDX-License-Identifier: Apache-2.0
#include "launch/pair_report.hpp"

#include <charconv>

namespace sluice::launch {
namespace {

constexpr char kLastLine[] = "\nend of the pair's report, status ";

}  // namespace

std::string seal_pair_report(const std::string& text, int status) {
  return text + kLastLine + std::to_string(status) + "\n";
}

PairReport split_pair_report(const std::string& output) {
  const std::size_t at = output.rfind(kLastLine);
  if (at == std::string::npos) return {};
  PairReport report;
  report.text = output.substr(0, at);
  const char* const first = output.data() + at + sizeof(kLastLine) - 1;
  const char* const last = output.data() + output.size();
  const auto [end, error] = std::from_chars(first, last, report.status);
  report.is_whole = error == std::errc() && end != last && *end == '\n';
  return report;
}

}  // namespace sluice::launch
