// SPDX-License-Identifier: Apache-2.0
// Run by mpirun: every rank exchanges rank * 1000 bytes, then greets every other over a transport.
// "die" as argument: rank 1 kills itself after the exchange, and the others must still end well.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <string>

#include "comm/bootstrap/bootstrap.hpp"
#include "comm/bootstrap/environment.hpp"
#include "comm/registry.hpp"

namespace sluice::comm {
namespace {

// 0, or the line that says what went wrong.
int run(bool one_dies) {
  for (const auto& [name, value] : mpi_environment_defaults()) setenv(name, value, 0);
  if (!started_by_mpi()) return __LINE__;
  auto bootstrap = open_mpi_bootstrap();
  if (!bootstrap) return __LINE__;
  const NodeId rank = (*bootstrap)->rank();
  auto transport = open_transport("ucx", TransportOptions{.self = rank});
  if (!transport) return __LINE__;
  const auto given = (*bootstrap)->exchange((*transport)->address());
  if (!given || given->size() != (*bootstrap)->ranks()) return __LINE__;
  bootstrap->reset();  // ends MPI: nobody waits for a rank that dies later
  if (one_dies && rank == 1) ::kill(::getpid(), SIGKILL);

  std::set<NodeId> expected;
  for (NodeId peer = 0; peer < given->size(); ++peer) {
    if (peer == rank || (one_dies && peer == 1)) continue;
    if (!(*transport)->connect(peer, (*given)[peer])) return __LINE__;
    if (!(*transport)->send(peer, 1, (*given)[rank])) return __LINE__;
    expected.insert(peer);
  }
  std::vector<Completion> completions(8);
  while (!expected.empty()) {
    const std::size_t count = (*transport)->poll(completions);
    for (std::size_t i = 0; i < count; ++i) {
      if (completions[i].kind != CompletionKind::kMessage) continue;
      if (completions[i].payload != (*given)[completions[i].peer]) return __LINE__;
      expected.erase(completions[i].peer);
    }
    if (count == 0) (*transport)->wait(std::chrono::milliseconds(100));
  }
  // One copy of UCX in the process, although MPI has its own idea of it.
  std::set<std::string> copies;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("/libucp") != std::string::npos) copies.insert(line.substr(line.find('/')));
  }
  return copies.size() == 1 ? 0 : __LINE__;
}

}  // namespace
}  // namespace sluice::comm

int main(int argc, char** argv) {
  const int line = sluice::comm::run(argc > 1 && std::strcmp(argv[1], "die") == 0);
  if (line != 0) std::fprintf(stderr, "failed at line %d\n", line);
  return line == 0 ? 0 : 1;
}
