// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/pack/pack_device.hpp"

#include "kernels/core/block.hpp"

namespace sluice::kernels {
namespace {

Result<PackTask> task_of(DeviceQueue& queue, const SymbolShape& shape, std::int64_t rows) {
  const std::size_t columns = shape.bits.size();
  // Of the queue's: a copy may still read it when this returns.
  std::byte* const room = SLUICE_TRY(queue.host_room((columns + 1) * sizeof(std::uint32_t)));
  auto* const bit_first = reinterpret_cast<std::uint32_t*>(room);
  bit_first[0] = 0;
  for (std::size_t c = 0; c < columns; ++c) bit_first[c + 1] = bit_first[c] + shape.bits[c];
  PackTask task;
  task.bit_first =
      SLUICE_TRY(upload(queue, std::span<const std::uint32_t>(bit_first, columns + 1)));
  task.rows = rows;
  task.columns = static_cast<std::int64_t>(columns);
  task.row_bytes = (static_cast<std::int64_t>(bit_first[columns]) + 7) / 8;
  return task;
}

}  // namespace

Status pack_on(DeviceQueue& queue, const SymbolShape& shape, std::int64_t rows,
               const std::uint8_t* symbols, std::byte* packed) {
  PackTask task = SLUICE_TRY(task_of(queue, shape, rows));
  task.symbols = const_cast<std::uint8_t*>(symbols);  // packing only reads them
  task.packed = packed;
  if (queue.is_cuda()) return pack_on_cuda(task, queue.stream());
  run_on_host(rows, PackBody{task});
  return {};
}

Status unpack_on(DeviceQueue& queue, const SymbolShape& shape, std::int64_t rows,
                 const std::byte* packed, std::uint8_t* symbols) {
  PackTask task = SLUICE_TRY(task_of(queue, shape, rows));
  task.symbols = symbols;
  task.packed = const_cast<std::byte*>(packed);  // unpacking only reads them
  if (queue.is_cuda()) return unpack_on_cuda(task, queue.stream());
  run_on_host(rows, UnpackBody{task});
  return {};
}

#if !defined(SLUICE_CUDA)
Status pack_on_cuda(const PackTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
Status unpack_on_cuda(const PackTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
