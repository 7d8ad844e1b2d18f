// SPDX-License-Identifier: Apache-2.0
// A peer to be killed: `transport_victim TRANSPORT`. It writes its address and the key of a region
// of 64 MiB to its standard output, reads the test's address, greets the test with a message, then
// polls until somebody ends it. If it then reads the key of a region of the test's, it writes there
// without end. Each item is a 32-bit size, then the bytes.
#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "comm/registry.hpp"

namespace {

bool write_all(const void* data, std::size_t bytes) {
  return ::write(STDOUT_FILENO, data, bytes) == static_cast<ssize_t>(bytes);
}

bool write_item(const std::vector<std::byte>& item) {
  const auto size = static_cast<std::uint32_t>(item.size());
  return write_all(&size, sizeof(size)) && write_all(item.data(), item.size());
}

bool read_all(void* data, std::size_t bytes) {
  auto* next = static_cast<char*>(data);
  while (bytes != 0) {
    const ssize_t got = ::read(STDIN_FILENO, next, bytes);
    if (got <= 0) return false;
    next += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool read_item(std::vector<std::byte>& item) {
  std::uint32_t size = 0;
  if (!read_all(&size, sizeof(size)) || size > 65536) return false;
  item.resize(size);
  return read_all(item.data(), size);
}

bool has_input() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) == 1 && (input.revents & POLLIN) != 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace sluice::comm;
  if (argc != 2) return 2;
  auto transport = open_transport(argv[1], TransportOptions{.self = 1});
  if (!transport) return 3;
  const auto region = (*transport)->allocate(std::size_t{64} << 20, MemoryKind::kHost);
  if (!region) return 4;
  const auto key = (*transport)->export_region(*region);
  if (!key || !write_item((*transport)->address()) || !write_item(*key)) return 5;

  std::vector<std::byte> address;
  if (!read_item(address)) return 6;
  if (!(*transport)->connect(0, address) || !(*transport)->send(0, 1, {})) return 7;

  // The parent's end: its death closes our standard input, which a poll every second notices
  // through the parent's process number.
  const pid_t parent = ::getppid();
  std::vector<Completion> completions(16);
  RemoteRegion target;
  const std::vector<std::byte> source(std::size_t{1} << 20, std::byte{0xc3});
  std::size_t writes = 0;
  std::size_t pending = 0;
  while (::getppid() == parent) {
    if (std::vector<std::byte> target_key; target.bytes == 0 && has_input()) {
      if (!read_item(target_key)) return 8;
      const auto imported = (*transport)->import_region(0, target_key);
      if (!imported) return 9;
      target = *imported;
    }
    for (; target.bytes != 0 && pending < 16; ++pending) {
      const std::size_t offset = writes * source.size() % target.bytes;
      if (!(*transport)->write(target, offset, source, ++writes)) return 10;
    }
    const std::size_t count = (*transport)->poll(completions);
    for (std::size_t i = 0; i < count; ++i) {
      pending -= completions[i].kind == CompletionKind::kWriteDone ? 1 : 0;
    }
    if (count == 0) (*transport)->wait(std::chrono::milliseconds(target.bytes == 0 ? 10 : 1000));
  }
  return 0;
}
