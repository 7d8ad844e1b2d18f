// SPDX-License-Identifier: Apache-2.0
// Runs seeds of the simulated cluster: sluice_simulation --seed N [--count M] [--trace]. Ends with
// 1 when one of them shows something that must not be.
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include "tests/simulation/scenario.hpp"

int main(int argc, char** argv) {
  std::uint64_t seed = 1;
  std::uint64_t count = 1;
  bool is_traced = false;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--seed") == 0 && has_value) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--count") == 0 && has_value) {
      count = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--trace") == 0) {
      is_traced = true;
    } else {
      std::cerr << "usage: sluice_simulation --seed N [--count M] [--trace]\n";
      return 2;
    }
  }
  std::uint64_t bad = 0;
  std::map<std::string, std::size_t> ends;
  std::size_t faults = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    sluice::tests::Scenario scenario(seed + i, is_traced ? &std::cout : nullptr);
    const auto findings = scenario.run();
    for (const auto& [end, requests] : scenario.ends()) ends[end] += requests;
    faults += scenario.faults();
    if (findings.empty()) continue;
    ++bad;
    std::cout << scenario.describe() << "\n";
    for (const std::string& finding : findings) std::cout << "  " << finding << "\n";
  }
  std::cout << count - bad << " of " << count << " seeds hold; " << faults << " faults; requests:";
  for (const auto& [end, requests] : ends) std::cout << " " << requests << " " << end;
  std::cout << "\n";
  return bad == 0 ? 0 : 1;
}
