// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/rtn/rtn.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "kernels/stages/quantize/rtn/rtn_device.hpp"

namespace sluice::kernels {
namespace {

constexpr float kBitsDefault = 4;
constexpr float kGroupDefault = 32;

constexpr std::array kParameters = {
    ParameterRow{"bits", ParameterKind::kList, 0, 2, 8, "",
                 "one number, or one for each level from 1 on; 4"},
    ParameterRow{"group", ParameterKind::kInteger, kGroupDefault, 1, 65536, "",
                 "values that share a scale"},
    ParameterRow{"axis_key", ParameterKind::kChoice, 0, 0, 1, "token channel",
                 "K's groups lie within a token or within a channel"},
    ParameterRow{"axis_value", ParameterKind::kChoice, 0, 0, 1, "token channel", "the same for V"},
    ParameterRow{"symmetric", ParameterKind::kBool, 0, 0, 1, "", "no zero: levels around 0"},
    ParameterRow{"bits_value", ParameterKind::kList, 0, 2, 8, "", "bits of V; as bits"},
};

// Of one plane: everything of a task but its pointers and rows.
struct RtnPlane {
  RtnTask task;
  SymbolShape shape;

  RtnTask tile(std::int64_t rows) const {
    RtnTask result = task;
    result.rows = rows;
    return result;
  }
  // Encoding only reads `rows`, decoding the symbols and `side`.
  RtnTask tile(ConstMatrix rows, const std::uint8_t* symbols, const std::byte* side) const {
    RtnTask result = tile(rows.rows);
    result.values = const_cast<float*>(rows.data);
    result.stride = rows.stride;
    result.symbols = const_cast<std::uint8_t*>(symbols);
    result.side = const_cast<std::byte*>(side);
    return result;
  }
};

template <bool kIsEncoder>
Status run_on(DeviceQueue& queue, const RtnTask& task) {
  if (queue.is_cuda()) {
    return kIsEncoder ? rtn_encode_on_cuda(task, queue.stream())
                      : rtn_decode_on_cuda(task, queue.stream());
  }
  with_rtn_body<kIsEncoder>(task,
                            [](std::int64_t grid, const auto& body) { run_on_host(grid, body); });
  return {};
}

class RtnEncoder final : public QuantizePlan {
 public:
  explicit RtnEncoder(RtnPlane plane) : plane_(std::move(plane)) {}
  const SymbolShape& symbols() const override { return plane_.shape; }
  std::size_t side_bytes_max(std::int64_t rows) const override {
    return static_cast<std::size_t>(plane_.tile(rows).side_bytes());
  }
  std::size_t encode(std::int64_t /*row_first*/, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    const RtnTask task = plane_.tile(rows, symbols, side);
    rtn_encode_on_host(task);
    return static_cast<std::size_t>(task.side_bytes());
  }
  Result<std::size_t> encode_on(DeviceQueue& queue, ConstMatrix rows, std::uint8_t* symbols,
                                std::byte* side) override {
    const RtnTask task = plane_.tile(rows, symbols, side);
    SLUICE_TRY(run_on<true>(queue, task));
    return static_cast<std::size_t>(task.side_bytes());
  }

 private:
  RtnPlane plane_;
};

class RtnDecoder final : public DequantizePlan {
 public:
  explicit RtnDecoder(RtnPlane plane) : plane_(std::move(plane)) {}
  const SymbolShape& symbols() const override { return plane_.shape; }
  Result<std::size_t> decode(std::int64_t /*row_first*/, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    const RtnTask task = SLUICE_TRY(task_of(symbols, side, rows));
    rtn_decode_on_host(task);
    return static_cast<std::size_t>(task.side_bytes());
  }
  Result<std::size_t> decode_on(DeviceQueue& queue, const std::uint8_t* symbols, Bytes side,
                                Matrix rows) override {
    const RtnTask task = SLUICE_TRY(task_of(symbols, side, rows));
    SLUICE_TRY(run_on<false>(queue, task));
    return static_cast<std::size_t>(task.side_bytes());
  }

 private:
  Result<RtnTask> task_of(const std::uint8_t* symbols, Bytes side, Matrix rows) const {
    const RtnTask task = plane_.tile(rows, symbols, side.data());
    if (side.size() >= static_cast<std::size_t>(task.side_bytes())) return task;
    return make_error(ErrorCode::kCorrupt, "rtn: scales are missing");
  }

  RtnPlane plane_;
};

class RtnStage final : public QuantizeStage {
 public:
  explicit RtnStage(const Parameters& parameters)
      : bits_(parameters.list("bits").begin(), parameters.list("bits").end()),
        bits_value_(parameters.list("bits_value").begin(), parameters.list("bits_value").end()),
        group_(parameters.integer("group")),
        is_key_along_tokens_(parameters.choice("axis_key") == 1),
        is_value_along_tokens_(parameters.choice("axis_value") == 1),
        is_symmetric_(parameters.flag("symmetric")) {
    if (bits_.empty()) bits_ = {kBitsDefault};
    if (bits_value_.empty()) bits_value_ = bits_;
  }

  std::int64_t row_multiple() const override {
    return is_key_along_tokens_ || is_value_along_tokens_ ? group_ : 1;
  }
  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix /*all*/,
                                                     ByteWriter& /*side*/) const override {
    return std::unique_ptr<QuantizePlan>(std::make_unique<RtnEncoder>(of(plane, columns)));
  }
  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& /*side*/) const override {
    return std::unique_ptr<DequantizePlan>(std::make_unique<RtnDecoder>(of(plane, columns)));
  }

 private:
  RtnPlane of(const Plane& plane, std::int64_t columns) const {
    const std::vector<float>& bits = plane.is_key() ? bits_ : bits_value_;
    const std::size_t level = std::max<std::size_t>(plane.level, 1) - 1;
    RtnPlane result;
    result.task.columns = columns;
    result.task.group = group_;
    result.task.bits = static_cast<std::int32_t>(bits[std::min(level, bits.size() - 1)]);
    result.task.is_along_tokens = plane.is_key() ? is_key_along_tokens_ : is_value_along_tokens_;
    result.task.is_symmetric = is_symmetric_;
    const auto count = static_cast<std::size_t>(columns);
    result.shape.bits.assign(count, static_cast<std::uint8_t>(result.task.bits));
    result.shape.context.resize(count);
    for (std::size_t c = 0; c < count; ++c) {
      result.shape.context[c] = static_cast<std::uint16_t>(std::min<std::size_t>(c, 0xffff));
    }
    return result;
  }

  std::vector<float> bits_;
  std::vector<float> bits_value_;
  std::int64_t group_;
  bool is_key_along_tokens_;
  bool is_value_along_tokens_;
  bool is_symmetric_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  for (const char* name : {"bits", "bits_value"}) {
    for (const float bits : parameters.list(name)) {
      if (bits != static_cast<float>(static_cast<int>(bits))) {
        return make_error(ErrorCode::kInvalidArgument,
                          std::string("stage 'rtn': '") + name + "' must be whole numbers");
      }
    }
  }
  return std::unique_ptr<Stage>(std::make_unique<RtnStage>(parameters));
}

}  // namespace

StageRow rtn_row() {
  return {.id = 200,
          .name = "rtn",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "round to nearest in groups, 2 to 8 bits",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
