// SPDX-License-Identifier: Apache-2.0
// decisions_writer FOLDER: writes every policy's golden log there, in place of the one that is.
#include <cstdio>
#include <fstream>

#include "scheduler/policy.hpp"
#include "tests/scheduler/golden_decisions.hpp"

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: decisions_writer FOLDER\n");
    return 2;
  }
  for (const sluice::scheduler::PolicyRow& row : sluice::scheduler::policy_table()) {
    std::ofstream file(std::string(arguments[1]) + "/" + std::string(row.name) + ".txt");
    file << sluice::tests::golden_decisions(row.name);
    file.close();
    if (!file) {
      std::fprintf(stderr, "cannot write into %s\n", arguments[1]);
      return 1;
    }
  }
  return 0;
}
