// SPDX-License-Identifier: Apache-2.0
#include "launch/machine_facts.hpp"

#include <algorithm>
#include <charconv>

namespace sluice::launch {
namespace {

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// The value of the first "name : value" line.
std::string_view value_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const auto colon = line.find(':');
    if (colon != std::string_view::npos && trim(line.substr(0, colon)) == name) {
      return trim(line.substr(colon + 1));
    }
  }
  return {};
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool has_word(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const std::string_view next = words.substr(0, words.find(' '));
    if (next == word) return true;
    words.remove_prefix(std::min(words.size(), next.size() + 1));
  }
  return false;
}

}  // namespace

CpuFacts parse_cpu(std::string_view cpuinfo) {
  CpuFacts facts;
  if (const auto model = value_of(cpuinfo, "model name"); !model.empty()) facts.model = model;
  const std::string_view flags = value_of(cpuinfo, "flags");
  facts.avx2 = has_word(flags, "avx2") && has_word(flags, "fma");
  facts.avx512 = has_word(flags, "avx512f") && has_word(flags, "avx512bw") &&
                 has_word(flags, "avx512dq") && has_word(flags, "avx512vl");
  facts.avx512_bf16 = facts.avx512 && has_word(flags, "avx512_bf16");
  facts.amx_bf16 = has_word(flags, "amx_bf16") && has_word(flags, "amx_tile");
  return facts;
}

std::optional<std::uint64_t> parse_meminfo(std::string_view meminfo, std::string_view name) {
  std::string_view value = value_of(meminfo, name);
  if (value.size() < 3 || value.substr(value.size() - 3) != " kB") return std::nullopt;
  value.remove_suffix(3);
  const auto kib = whole_number(value);
  if (!kib || *kib > (std::uint64_t{1} << 50)) return std::nullopt;
  return *kib * 1024;
}

std::optional<std::uint64_t> parse_memory_max(std::string_view text) {
  return whole_number(trim(take_line(text)));
}

std::string parse_choice(std::string_view text) {
  const auto first = text.find('[');
  const auto last = text.find(']', first);
  if (first == std::string_view::npos || last == std::string_view::npos) return {};
  return std::string(text.substr(first + 1, last - first - 1));
}

bool has_module(std::string_view modules, std::string_view name) {
  while (!modules.empty()) {
    const std::string_view line = take_line(modules);
    if (line.substr(0, line.find(' ')) == name) return true;
  }
  return false;
}

std::string parse_mpi_version(std::string_view text) {
  const std::string_view line = trim(take_line(text));
  if (line.find("(Open MPI)") != std::string_view::npos) {
    return "Open MPI " + std::string(line.substr(line.rfind(' ') + 1));
  }
  if (line.find("Intel(R) MPI") != std::string_view::npos) return std::string(line);
  if (line.find("HYDRA") != std::string_view::npos) {
    const std::string_view version = value_of(text, "Version");
    return "MPICH " + std::string(version);
  }
  return {};
}

double parse_port_rate(std::string_view text) {
  const auto unit = text.find(" Gb/sec");
  if (unit == std::string_view::npos) return 0;
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + unit, rate);
  return error == std::errc() && end == text.data() + unit && rate > 0 ? rate : 0;
}

}  // namespace sluice::launch
