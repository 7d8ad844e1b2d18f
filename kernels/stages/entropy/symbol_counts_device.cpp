// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/symbol_counts_device.hpp"

#include <span>
#include <vector>

#include "kernels/core/check.hpp"

namespace sluice::kernels {

Result<SymbolCounts> count_symbols_on(DeviceQueue& queue, const SymbolGroups& groups,
                                      std::int64_t rows, const std::uint8_t* symbols) {
  SLUICE_CHECK(rows < std::int64_t{1} << 32, "more rows than a count holds");
  const std::size_t counted = groups.columns.size();
  std::vector<std::uint8_t> bits;
  std::vector<std::uint64_t> first;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < counted; ++i) {
    bits.push_back(groups.group_bits[groups.group_of[i]]);
    first.push_back(size);
    size += std::uint64_t{1} << bits.back();
  }
  SymbolCountTask task;
  task.symbols = symbols;
  task.columns = SLUICE_TRY(upload(queue, std::span(groups.columns)));
  task.bits = SLUICE_TRY(upload(queue, std::span(bits)));
  task.first = SLUICE_TRY(upload(queue, std::span(first)));
  task.counts = SLUICE_TRY(room_for<std::uint32_t>(queue, size));
  task.rows = rows;
  task.stride = static_cast<std::int64_t>(groups.all_columns);
  task.counted = static_cast<std::int64_t>(counted);
  if (queue.is_cuda()) {
    SLUICE_TRY(count_symbols_on_cuda(task, queue.stream()));
  } else {
    run_on_host(task.counted, SymbolCountBody{task});
  }
  std::vector<std::uint32_t> by_column(size);
  SLUICE_TRY(queue.copy_to_host(task.counts, size * sizeof(std::uint32_t), by_column.data()));
  SLUICE_TRY(queue.wait());

  SymbolCounts result;
  std::size_t all = 0;
  for (const std::uint8_t group_bits : groups.group_bits) {
    result.first.push_back(all);
    all += std::size_t{1} << group_bits;
  }
  result.counts.resize(all);
  for (std::size_t i = 0; i < counted; ++i) {
    std::uint64_t* to = result.counts.data() + result.first[groups.group_of[i]];
    for (std::size_t s = 0; s < std::size_t{1} << bits[i]; ++s) to[s] += by_column[first[i] + s];
  }
  return result;
}

#if !defined(SLUICE_CUDA)
Status count_symbols_on_cuda(const SymbolCountTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
