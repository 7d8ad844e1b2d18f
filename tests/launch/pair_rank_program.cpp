// SPDX-License-Identifier: Apache-2.0
// `sluice doctor --pair` for its tests, in builds without the program: `pair_rank_program --start A
// B` starts the two, `pair_rank_program A B TRANSPORT` is one of them.
#include <iostream>
#include <string>

#include "launch/pair_launch.hpp"
#include "launch/pair_rank.hpp"

int main(int argc, char** argv) {
  using namespace sluice::launch;
  if (argc != 4) return 2;
  if (std::string(argv[1]) == "--start") {
    return run_pair({.host_a = argv[2], .host_b = argv[3], .rank_command = {argv[0]}}, std::cout);
  }
  return run_pair_rank({.host_a = argv[1], .host_b = argv[2], .transport = argv[3]}, std::cout);
}
