// SPDX-License-Identifier: Apache-2.0
// One of the two processes of `sluice doctor --pair`, for its tests: in builds without the program.
#include <iostream>

#include "launch/pair_rank.hpp"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return sluice::launch::run_pair_rank({.host_a = argv[1], .host_b = argv[2], .transport = argv[3]},
                                       std::cout);
}
