// SPDX-License-Identifier: Apache-2.0
// Uses a little of each installed part, so that each is compiled against and linked.
#include <cstdio>

#include "comm/registry.hpp"
#include "kernels/core/bytes.hpp"
#include "kernels/kv/kv_rows_device.hpp"
#include "scheduler/policy.hpp"

int main() {
  sluice::ByteWriter writer;
  writer.put(std::uint32_t{1});
  const sluice::kernels::KvRowsTask nothing{.block_tokens = 32, .kv_heads = 3, .head_dim = 64};
  if (!sluice::kernels::move_kv_rows_on_host(nothing, sluice::kernels::KvRowsDirection::kPack)) {
    return 1;
  }
  if (!sluice::scheduler::create_policy(sluice::scheduler::policy_table().front().name)) return 2;
  if (sluice::comm::open_transport("no such transport", {}).has_value()) return 3;
  std::printf("%zu transports\n", sluice::comm::transport_table().size());
  return writer.bytes().size() == 4 ? 0 : 4;
}
