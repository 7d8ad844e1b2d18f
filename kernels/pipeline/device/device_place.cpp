// SPDX-License-Identifier: Apache-2.0
// A plane's rows are coded whole and not in tiles: a device has the memory, and a launch has its
// price.
#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kernels/kv/kv_gather_device.hpp"
#include "kernels/pipeline/device/plane_place.hpp"
#include "kernels/pipeline/plane_rules.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"
#include "kernels/stages/quantize/pack/pack_device.hpp"

namespace sluice::kernels {
namespace {

std::size_t area(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

// A tile of pages and a matrix of the same memory.
class TileMover {
 public:
  static Result<TileMover> make(DeviceQueue& queue, const KvTile& tile) {
    TileMover mover(queue, tile);
    mover.rows_ = SLUICE_TRY(upload(queue, tile.rows));
    for (const KvPages& pages : tile.pages) {
      mover.blocks_.push_back(SLUICE_TRY(upload(queue, pages.blocks)));
    }
    return mover;
  }

  // `not_finite`: null, or [layers][rows][heads].
  template <class Element>
  Status gather(Element* matrix, std::uint8_t* not_finite) const {
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
      KvGatherTask task = task_of(layer, matrix);
      if (not_finite != nullptr) {
        task.not_finite = not_finite + layer * area(task.row_count, task.heads);
      }
      SLUICE_TRY(gather_kv_on(queue_, task));
    }
    return {};
  }
  template <class Element>
  Status scatter(Element* matrix) const {
    for (std::size_t layer = 0; layer < blocks_.size(); ++layer) {
      SLUICE_TRY(scatter_kv_on(queue_, task_of(layer, matrix)));
    }
    return {};
  }

 private:
  TileMover(DeviceQueue& queue, const KvTile& tile) : queue_(queue), tile_(tile) {}

  template <class Element>
  KvGatherTask task_of(std::size_t layer, Element* matrix) const {
    const KvPages& pages = tile_.pages[layer];
    KvGatherTask task;
    task.blocks = blocks_[layer];
    task.block_tokens = pages.block_tokens;
    task.head_dim = pages.head_dim;
    task.plane_first = (tile_.half == KvHalf::kKey ? 0 : pages.kv_heads) + tile_.head_first;
    task.heads = tile_.head_count;
    task.rows = rows_;
    task.row_count = static_cast<std::int64_t>(tile_.rows.size());
    task.matrix = matrix + layer * area(tile_.head_count, pages.head_dim);
    task.stride = tile_.columns();
    task.pages_are_f32 = pages.element_bytes == 4;
    task.matrix_is_f32 = sizeof(Element) == 4;
    return task;
  }

  DeviceQueue& queue_;
  const KvTile& tile_;
  const std::int32_t* rows_ = nullptr;
  std::vector<std::byte* const*> blocks_;  // by layer
};

// Rows before and after a stage, in turns.
struct Rows {
  Matrix now;
  Matrix next;

  static Result<Rows> make(DeviceQueue& queue, std::int64_t rows, std::int64_t columns,
                           std::int64_t widest) {
    Rows result;
    for (Matrix* matrix : {&result.now, &result.next}) {
      matrix->data = SLUICE_TRY(room_for<float>(queue, area(rows, widest)));
      matrix->rows = rows;
      matrix->columns = matrix->stride = columns;
    }
    return result;
  }
  Matrix& shape_next(std::int64_t columns) {
    next.columns = next.stride = columns;
    return next;
  }
  void turn() { std::swap(now, next); }
};

class DeviceEncoder {
 public:
  DeviceEncoder(const StageList& stages, DeviceQueue& queue, const Plane& plane, const KvTile& tile,
                FrameWriter& out)
      : stages_(stages),
        queue_(queue),
        plane_(plane),
        tile_(tile),
        out_(out),
        rows_(static_cast<std::int64_t>(tile.rows.size())),
        columns_(tile.columns()),
        widest_(columns_) {}

  Result<PlaneSizes> run() {
    SLUICE_TRY(begin());
    if (!reserve_symbols()) return sizes_;
    SLUICE_TRY(load());
    for (const auto& plan : transforms_) {
      SLUICE_TRY(plan->forward_on(queue_, values_.now, values_.shape_next(plan->columns())));
      values_.turn();
    }
    if (quantizer_ == nullptr) {
      SLUICE_TRY(round());
    } else {
      SLUICE_TRY(quantize());
    }
    // The host would have met a NaN before it coded the plane.
    SLUICE_TRY(queue_.wait());
    SLUICE_TRY(check_finite());
    return finish();
  }

 private:
  Status begin() {
    for (const TransformStage* stage : stages_.transforms) {
      transforms_.push_back(SLUICE_TRY(stage->begin_encode(plane_, columns_, shown(), begun_)));
      columns_ = transforms_.back()->columns();
      widest_ = std::max(widest_, columns_);
    }
    if (stages_.quantize == nullptr) return {};
    quantizer_ = SLUICE_TRY(stages_.quantize->begin_encode(plane_, columns_, shown(), begun_));
    if (is_consistent(quantizer_->symbols(), columns_, stages_.quantize->row_multiple())) return {};
    return make_error(ErrorCode::kInternal, "a quantizer's symbols have a wrong shape");
  }

  ConstMatrix shown() const { return {nullptr, rows_, columns_, columns_}; }

  std::int64_t symbol_rows() const { return quantizer_->symbols().symbol_rows(rows_); }

  // Room for what has a size known before coding. False: there is none.
  bool reserve_symbols() {
    if (stages_.entropy != nullptr) return true;
    sizes_.symbols = quantizer_ == nullptr ? area(rows_, columns_) * sizeof(std::uint16_t)
                                           : packed_bytes(quantizer_->symbols(), symbol_rows());
    packed_ = out_.reserve(sizes_.symbols);
    return packed_ != nullptr;
  }

  Status load() {
    values_ = SLUICE_TRY(Rows::make(queue_, rows_, tile_.columns(), widest_));
    not_finite_.resize(tile_.pages.size() * area(rows_, tile_.head_count));
    auto* const flags = SLUICE_TRY(room_for<std::uint8_t>(queue_, not_finite_.size()));
    const TileMover mover = SLUICE_TRY(TileMover::make(queue_, tile_));
    SLUICE_TRY(mover.gather(values_.now.data, flags));
    return queue_.copy_to_host(flags, not_finite_.size(), not_finite_.data());
  }

  // By row, then by layer, as the host looks.
  Status check_finite() const {
    const auto layers = static_cast<std::int64_t>(tile_.pages.size());
    const std::int64_t heads = tile_.head_count;
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::int64_t layer = 0; layer < layers; ++layer) {
        const std::uint8_t* flags = not_finite_.data() + area(layer * rows_ + row, heads);
        if (std::count(flags, flags + heads, 0) != heads) {
          return not_finite(plane_, layer * heads * tile_.pages.front().head_dim, row);
        }
      }
    }
    return {};
  }

  Status round() {
    auto* const rounded = SLUICE_TRY(room_for<std::uint16_t>(queue_, area(rows_, columns_)));
    SLUICE_TRY(round_rows_on(queue_, {values_.now.data, rounded, columns_}, rows_));
    return queue_.copy_to_host(rounded, sizes_.symbols, packed_);
  }

  Status quantize() {
    const SymbolShape& shape = quantizer_->symbols();
    symbols_ =
        SLUICE_TRY(room_for<std::uint8_t>(queue_, area(symbol_rows(), 1) * shape.bits.size()));
    side_ = SLUICE_TRY(queue_.room(quantizer_->side_bytes_max(rows_)));
    side_bytes_ = SLUICE_TRY(quantizer_->encode_on(queue_, values_.now, symbols_, side_));
    if (packed_ == nullptr) return {};
    std::byte* const packed = SLUICE_TRY(queue_.room(sizes_.symbols));
    SLUICE_TRY(pack_on(queue_, shape, symbol_rows(), symbols_, packed));
    return queue_.copy_to_host(packed, sizes_.symbols, packed_);
  }

  Result<PlaneSizes> finish() {
    if (stages_.entropy != nullptr) {
      ByteWriter coded;
      SLUICE_TRY(stages_.entropy->encode_on(queue_, plane_, quantizer_->symbols(), symbol_rows(),
                                            symbols_, coded));
      sizes_.symbols = coded.bytes().size();
      std::byte* const to = out_.reserve(sizes_.symbols);
      if (to == nullptr) return sizes_;
      if (sizes_.symbols > 0) std::memcpy(to, coded.bytes().data(), sizes_.symbols);
    }
    const std::size_t begun = begun_.bytes().size();
    sizes_.side = begun + side_bytes_;
    std::byte* const side = out_.reserve(sizes_.side);
    if (side == nullptr) return sizes_;
    if (begun > 0) std::memcpy(side, begun_.bytes().data(), begun);
    SLUICE_TRY(queue_.copy_to_host(side_, side_bytes_, side + begun));
    SLUICE_TRY(queue_.wait());
    sizes_.fits = true;
    return sizes_;
  }

  const StageList& stages_;
  DeviceQueue& queue_;
  const Plane& plane_;
  const KvTile& tile_;
  FrameWriter& out_;

  std::int64_t rows_;
  std::int64_t columns_;  // as the last stage so far leaves them
  std::int64_t widest_;
  std::vector<std::unique_ptr<TransformPlan>> transforms_;
  std::unique_ptr<QuantizePlan> quantizer_;
  ByteWriter begun_;  // side bytes of the stages' beginnings
  Rows values_;
  std::vector<std::uint8_t> not_finite_;  // [layers][rows][heads]
  std::uint8_t* symbols_ = nullptr;       // the device's
  std::byte* side_ = nullptr;             // the device's
  std::size_t side_bytes_ = 0;
  std::byte* packed_ = nullptr;  // in the frame
  PlaneSizes sizes_;
};

class DeviceDecoder {
 public:
  DeviceDecoder(const StageList& stages, DeviceQueue& queue, const Plane& plane,
                const PlaneBytes& coded, const KvTile& tile)
      : stages_(stages),
        queue_(queue),
        plane_(plane),
        coded_(coded),
        tile_(tile),
        rows_(static_cast<std::int64_t>(tile.rows.size())),
        columns_(tile.columns()),
        widest_(columns_) {}

  Status run() {
    SLUICE_TRY(begin());
    values_ = SLUICE_TRY(Rows::make(queue_, rows_, columns_, widest_));
    if (quantizer_ == nullptr) {
      SLUICE_TRY(expand());
    } else {
      SLUICE_TRY(dequantize());
    }
    if (!rest_.empty()) return leftover_bytes();
    for (std::size_t i = transforms_.size(); i-- > 0;) {
      SLUICE_TRY(
          transforms_[i]->inverse_on(queue_, values_.now, values_.shape_next(input_columns_[i])));
      values_.turn();
    }
    const TileMover mover = SLUICE_TRY(TileMover::make(queue_, tile_));
    SLUICE_TRY(mover.scatter(values_.now.data));
    return queue_.wait();
  }

 private:
  Status begin() {
    ByteReader side(coded_.side);
    const std::int64_t columns_max = kWideningMax * columns_;
    for (const TransformStage* stage : stages_.transforms) {
      input_columns_.push_back(columns_);
      transforms_.push_back(SLUICE_TRY(stage->begin_decode(plane_, columns_, side)));
      columns_ = transforms_.back()->columns();
      if (columns_ < 0 || columns_ > columns_max) return wrong_symbols();
      widest_ = std::max(widest_, columns_);
    }
    if (stages_.quantize != nullptr) {
      quantizer_ = SLUICE_TRY(stages_.quantize->begin_decode(plane_, columns_, side));
      if (!is_consistent(quantizer_->symbols(), columns_, stages_.quantize->row_multiple())) {
        return wrong_symbols();
      }
    }
    rest_ = side.rest();
    return {};
  }

  Status expand() {
    if (coded_.symbols.size() != area(rows_, columns_) * sizeof(std::uint16_t)) {
      return wrong_symbols();
    }
    const std::byte* const rounded = SLUICE_TRY(upload(queue_, coded_.symbols));
    return expand_rows_on(
        queue_, {reinterpret_cast<const std::uint16_t*>(rounded), values_.now.data, columns_},
        rows_);
  }

  Status dequantize() {
    const SymbolShape& shape = quantizer_->symbols();
    const std::int64_t symbol_rows = shape.symbol_rows(rows_);
    auto* const symbols =
        SLUICE_TRY(room_for<std::uint8_t>(queue_, area(symbol_rows, 1) * shape.bits.size()));
    if (stages_.entropy != nullptr) {
      SLUICE_TRY(
          stages_.entropy->decode_on(queue_, plane_, shape, symbol_rows, coded_.symbols, symbols));
    } else {
      if (coded_.symbols.size() != packed_bytes(shape, symbol_rows)) return wrong_symbols();
      const std::byte* const packed = SLUICE_TRY(upload(queue_, coded_.symbols));
      SLUICE_TRY(unpack_on(queue_, shape, symbol_rows, packed, symbols));
    }
    const std::byte* const side = SLUICE_TRY(upload(queue_, rest_));
    const std::size_t read =
        SLUICE_TRY(quantizer_->decode_on(queue_, symbols, {side, rest_.size()}, values_.now));
    if (read > rest_.size()) return wrong_symbols();
    rest_ = rest_.subspan(read);
    return {};
  }

  const StageList& stages_;
  DeviceQueue& queue_;
  const Plane& plane_;
  const PlaneBytes& coded_;
  const KvTile& tile_;

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t widest_;
  std::vector<std::unique_ptr<InversePlan>> transforms_;
  std::vector<std::int64_t> input_columns_;  // by transform
  std::unique_ptr<DequantizePlan> quantizer_;
  Bytes rest_;  // side bytes not read yet
  Rows values_;
};

class DevicePlace final : public PlanePlace {
 public:
  DevicePlace(const StageList& stages, DeviceQueue& queue) : stages_(stages), queue_(queue) {}

  Status load_raw(const KvTile& rows, std::byte* to) override {
    SLUICE_TRY(queue_.clear());
    const std::size_t elements = elements_of(rows);
    auto* const matrix = SLUICE_TRY(room_for<std::uint16_t>(queue_, elements));
    const TileMover mover = SLUICE_TRY(TileMover::make(queue_, rows));
    SLUICE_TRY(mover.gather(matrix, nullptr));
    SLUICE_TRY(queue_.copy_to_host(matrix, elements * sizeof(std::uint16_t), to));
    return queue_.wait();
  }
  Status store_raw(const KvTile& rows, const std::byte* from) override {
    SLUICE_TRY(queue_.clear());
    const std::size_t elements = elements_of(rows);
    auto* const matrix = SLUICE_TRY(room_for<std::uint16_t>(queue_, elements));
    SLUICE_TRY(queue_.copy_to_device(from, elements * sizeof(std::uint16_t), matrix));
    const TileMover mover = SLUICE_TRY(TileMover::make(queue_, rows));
    SLUICE_TRY(mover.scatter(matrix));
    return queue_.wait();
  }
  Result<PlaneSizes> encode(const Plane& plane, const KvTile& rows, FrameWriter& out) override {
    SLUICE_TRY(queue_.clear());
    DeviceEncoder encoder(stages_, queue_, plane, rows, out);
    return finished(encoder.run());
  }
  Status decode(const Plane& plane, const PlaneBytes& coded, const KvTile& rows) override {
    SLUICE_TRY(queue_.clear());
    DeviceDecoder decoder(stages_, queue_, plane, coded, rows);
    return finished(decoder.run());
  }

 private:
  // Copies may still read what the coder owns.
  template <class Outcome>
  Outcome finished(Outcome outcome) {
    if (!outcome) (void)queue_.wait();
    return outcome;
  }
  static std::size_t elements_of(const KvTile& rows) {
    return rows.rows.size() * static_cast<std::size_t>(rows.columns());
  }

  const StageList& stages_;
  DeviceQueue& queue_;
};

}  // namespace

std::unique_ptr<PlanePlace> make_device_place(const StageList& stages, DeviceQueue& queue) {
  return std::make_unique<DevicePlace>(stages, queue);
}

}  // namespace sluice::kernels
