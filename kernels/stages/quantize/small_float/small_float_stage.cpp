// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/small_float/small_float_stage.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/stages/quantize/small_float/small_float_device.hpp"

namespace sluice::kernels {
namespace {

SymbolShape shape_of(const SmallFloatTask& task) {
  SymbolShape shape;
  const auto columns = static_cast<std::size_t>(task.columns);
  shape.bits.assign(columns, task.format == SmallFloatFormat::kFp8 ? 8 : 4);
  shape.context.resize(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    shape.context[c] = static_cast<std::uint16_t>(std::min<std::size_t>(c, 0xffff));
  }
  return shape;
}

// Encoding only reads `rows`, decoding the symbols and `side`.
SmallFloatTask tile_of(SmallFloatTask task, ConstMatrix rows, const std::uint8_t* symbols,
                       const std::byte* side) {
  task.values = const_cast<float*>(rows.data);
  task.rows = rows.rows;
  task.stride = rows.stride;
  task.symbols = const_cast<std::uint8_t*>(symbols);
  task.side = const_cast<std::byte*>(side);
  return task;
}

template <bool kIsEncoder>
Status run_on(DeviceQueue& queue, const SmallFloatTask& task) {
  if (queue.is_cuda()) {
    return kIsEncoder ? small_float_encode_on_cuda(task, queue.stream())
                      : small_float_decode_on_cuda(task, queue.stream());
  }
  with_small_float_body<kIsEncoder>(
      task, [](std::int64_t grid, const auto& body) { run_on_host(grid, body); });
  return {};
}

class SmallFloatEncoder final : public QuantizePlan {
 public:
  explicit SmallFloatEncoder(const SmallFloatTask& task) : task_(task), shape_(shape_of(task)) {}
  const SymbolShape& symbols() const override { return shape_; }
  std::size_t side_bytes_max(std::int64_t rows) const override {
    SmallFloatTask task = task_;
    task.rows = rows;
    return static_cast<std::size_t>(task.side_bytes());
  }
  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    const SmallFloatTask task = tile_of(task_, rows, symbols, side);
    small_float_encode_on_host(task);
    return static_cast<std::size_t>(task.side_bytes());
  }
  Result<std::size_t> encode_on(DeviceQueue& queue, ConstMatrix rows, std::uint8_t* symbols,
                                std::byte* side) override {
    const SmallFloatTask task = tile_of(task_, rows, symbols, side);
    SLUICE_TRY(run_on<true>(queue, task));
    return static_cast<std::size_t>(task.side_bytes());
  }

 private:
  SmallFloatTask task_;
  SymbolShape shape_;
};

class SmallFloatDecoder final : public DequantizePlan {
 public:
  explicit SmallFloatDecoder(const SmallFloatTask& task) : task_(task), shape_(shape_of(task)) {}
  const SymbolShape& symbols() const override { return shape_; }
  Result<std::size_t> decode(std::int64_t /*row_first*/, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    const SmallFloatTask task = SLUICE_TRY(checked(symbols, side, rows));
    small_float_decode_on_host(task);
    return static_cast<std::size_t>(task.side_bytes());
  }
  Result<std::size_t> decode_on(DeviceQueue& queue, const std::uint8_t* symbols, Bytes side,
                                Matrix rows) override {
    const SmallFloatTask task = SLUICE_TRY(checked(symbols, side, rows));
    SLUICE_TRY(run_on<false>(queue, task));
    return static_cast<std::size_t>(task.side_bytes());
  }

 private:
  Result<SmallFloatTask> checked(const std::uint8_t* symbols, Bytes side, Matrix rows) const {
    const SmallFloatTask task = tile_of(task_, rows, symbols, side.data());
    if (side.size() >= static_cast<std::size_t>(task.side_bytes())) return task;
    return make_error(ErrorCode::kCorrupt, "scales of small floats are missing");
  }

  SmallFloatTask task_;
  SymbolShape shape_;
};

// What a group's largest number, 6 * 448 * plane_scale, must reach.
float plane_scale_of(ConstMatrix all) {
  float largest = 0.0F;
  for (std::int64_t row = 0; row < all.rows; ++row) {
    for (std::int64_t c = 0; c < all.columns; ++c) {
      const float size = std::fabs(all.row(row)[c]);
      largest = largest < size ? size : largest;
    }
  }
  largest = std::min(largest, kSmallFloatValueMax);
  const float scale = largest / (E2M1::kMax * E4M3::kMax);
  return scale >= kSmallFloatScaleMin ? scale : 0.0F;
}

class SmallFloatStage final : public QuantizeStage {
 public:
  SmallFloatStage(SmallFloatFormat format, std::int64_t group) : format_(format), group_(group) {}

  bool needs_all_rows() const override { return format_ == SmallFloatFormat::kNvFp4; }
  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix all,
                                                     ByteWriter& side) const override {
    SmallFloatTask task = task_of(plane, columns);
    if (needs_all_rows()) {
      task.plane_scale = plane_scale_of(all);
      side.put(task.plane_scale);
    }
    return std::unique_ptr<QuantizePlan>(std::make_unique<SmallFloatEncoder>(task));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& side) const override {
    SmallFloatTask task = task_of(plane, columns);
    if (needs_all_rows()) task.plane_scale = SLUICE_TRY(side.get<float>());
    return std::unique_ptr<DequantizePlan>(std::make_unique<SmallFloatDecoder>(task));
  }

 private:
  SmallFloatTask task_of(const Plane& plane, std::int64_t columns) const {
    SmallFloatTask task;
    task.columns = columns;
    task.group = group_ != 0 ? group_ : plane.shape->head_dim;
    task.format = format_;
    return task;
  }

  SmallFloatFormat format_;
  std::int64_t group_;
};

}  // namespace

std::unique_ptr<Stage> make_small_float_stage(SmallFloatFormat format, std::int64_t group) {
  return std::make_unique<SmallFloatStage>(format, group);
}

}  // namespace sluice::kernels
