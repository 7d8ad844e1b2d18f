// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/plane_codec.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/pipeline/buffers.hpp"
#include "kernels/pipeline/plane_rules.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"

namespace sluice::kernels {
namespace {

// 16 KiB of FP32: a tile is still in the first cache when the next stage reads it, and what it is
// made of and what is made of it are there too.
constexpr std::int64_t kTileElements = 4 * 1024;

// Symbols are packed for several tiles at once: it looks at every column's width each time.
constexpr std::int64_t kBatchSymbols = 64 * 1024;

// As BF16, a plane of this size is gone from a core's caches before anybody reads it.
constexpr std::size_t kStreamedBytes = std::size_t{1} << 20;

std::int64_t rows_of_tile(std::int64_t columns, std::int64_t multiple) {
  const std::int64_t rows = kTileElements / std::max<std::int64_t>(columns, 1);
  return std::max(rows / multiple * multiple, multiple);
}

// Whole tiles of `step` rows.
std::int64_t rows_of_batch(std::int64_t columns, std::int64_t step) {
  return std::max<std::int64_t>(kBatchSymbols / std::max<std::int64_t>(columns * step, 1), 1) *
         step;
}

ConstMatrix slice(ConstMatrix rows, std::int64_t first, std::int64_t count) {
  return {rows.row(first), count, rows.columns, rows.stride};
}

Matrix dense(float* data, std::int64_t rows, std::int64_t columns) {
  return {data, rows, columns, columns};
}

std::size_t area(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

// Symbols that are their packed form already need no copy of it.
bool are_bytes(const SymbolShape& shape) {
  return std::all_of(shape.bits.begin(), shape.bits.end(), [](int bits) { return bits == 8; });
}

class PlaneEncoder {
 public:
  PlaneEncoder(const StageList& stages, const Plane& plane, const KvTile& source, FrameWriter& out,
               Scratch::Buffers& buffers)
      : stages_(stages),
        plane_(plane),
        source_(source),
        out_(out),
        buffers_(buffers),
        rows_(static_cast<std::int64_t>(source.rows.size())),
        columns_(source.columns()),
        widest_(columns_) {}

  Result<PlaneSizes> run() {
    const bool is_whole = stages_.needs_all_rows();
    ConstMatrix whole;
    if (is_whole) whole = SLUICE_TRY(load_whole());
    SLUICE_TRY(begin(whole, is_whole, nullptr));
    if (!reserve_symbols()) return sizes_;
    if (!is_whole) {
      const std::size_t tile = area(std::min(step_, rows_), widest_);
      for (auto& buffer : buffers_.tiles) buffer.need(tile);
    }
    for (std::int64_t first = 0; first < rows_; first += step_) {
      const std::int64_t count = std::min(step_, rows_ - first);
      put(first, is_whole ? slice(whole, first, count) : SLUICE_TRY(transformed(first, count)));
    }
    return finish(whole);
  }

  Status observe(const Stage& stage, Calibration& learner) {
    ConstMatrix whole = SLUICE_TRY(load_whole());
    SLUICE_TRY(begin(whole, true, &stage));
    if (&stage != stages_.entropy) return learner.observe(plane_, whole);
    // Such symbols' frequencies come with their quantizer.
    if (!quantizer_->symbols().family.empty()) return {};
    const std::size_t width = quantizer_->symbols().bits.size();
    const std::size_t count = area(symbol_rows(), 1) * width;
    const std::uint8_t* symbols = buffers_.symbols.need(count);
    if (rows_ > 0) put(0, whole);
    const std::vector<float> numbers(symbols, symbols + count);
    const auto columns = static_cast<std::int64_t>(width);
    return learner.observe(plane_, {numbers.data(), symbol_rows(), columns, columns});
  }

 private:
  Result<ConstMatrix> load_whole() {
    const Matrix loaded = dense(buffers_.rows[0].need(area(rows_, columns_)), rows_, columns_);
    SLUICE_TRY(load(source_, loaded));
    return ConstMatrix(loaded);
  }

  Status load(const KvTile& tile, Matrix to) {
    if (load_tile(tile, to)) return {};
    for (std::int64_t row = 0; row < to.rows; ++row) {
      for (std::int64_t column = 0; column < to.columns; ++column) {
        // Infinity and NaN are what does not vanish when taken from itself.
        const float value = to.row(row)[column];
        if (value - value == 0.0F) continue;
        return not_finite(plane_, column, &tile.rows[0] - &source_.rows[0] + row);
      }
    }
    return make_error(ErrorCode::kInternal, "a tile is finite and is not");
  }

  // Plans of all stages before `end`, or of all. `whole`: in, all rows loaded; out, all rows
  // transformed.
  Status begin(ConstMatrix& whole, bool is_whole, const Stage* end) {
    std::size_t into = 1;
    for (const TransformStage* stage : stages_.transforms) {
      if (stage == end) return {};
      const ConstMatrix shown = shown_to(stage->needs_all_rows(), whole);
      auto plan = SLUICE_TRY(stage->begin_encode(plane_, columns_, shown, begun_));
      columns_ = plan->columns();
      widest_ = std::max(widest_, columns_);
      if (is_whole) {
        const Matrix to = dense(buffers_.rows[into].need(area(rows_, columns_)), rows_, columns_);
        plan->forward(0, whole, to);
        whole = to;
        into = 1 - into;
      }
      transforms_.push_back(std::move(plan));
    }
    dequantizer_side_ = begun_.bytes().size();
    if (end != nullptr && end != stages_.entropy) return {};
    if (stages_.quantize != nullptr) {
      const ConstMatrix shown = shown_to(stages_.quantize->needs_all_rows(), whole);
      quantizer_ = SLUICE_TRY(stages_.quantize->begin_encode(plane_, columns_, shown, begun_));
      multiple_ = stages_.quantize->row_multiple();
      if (!is_consistent(quantizer_->symbols(), columns_, multiple_)) {
        return make_error(ErrorCode::kInternal, "a quantizer's symbols have a wrong shape");
      }
    }
    side_used_ = begun_.bytes().size();
    if (side_used_ > 0) {
      std::memcpy(buffers_.side.extend(0, side_used_), begun_.bytes().data(), side_used_);
    }
    return {};
  }

  ConstMatrix shown_to(bool needs_all, ConstMatrix whole) const {
    return {needs_all ? whole.data : nullptr, rows_, columns_, columns_};
  }

  bool keeps_symbols() const { return stages_.entropy != nullptr || stages_.correct != nullptr; }

  std::int64_t symbol_rows() const { return quantizer_->symbols().symbol_rows(rows_); }

  // Room for what has a size known before coding. False: there is none.
  bool reserve_symbols() {
    step_ = rows_of_tile(widest_, multiple_);
    if (quantizer_ != nullptr) {
      const SymbolShape& shape = quantizer_->symbols();
      row_bytes_ = packed_bytes(shape, 1);
      is_direct_ = !keeps_symbols() && are_bytes(shape);
      batch_ = keeps_symbols() ? rows_ : std::min(rows_of_batch(columns_, step_), rows_);
      if (!is_direct_) {
        buffers_.symbols.need(area(shape.symbol_rows(batch_), 1) * shape.bits.size());
      }
    }
    if (stages_.entropy != nullptr) return true;
    sizes_.symbols =
        quantizer_ == nullptr ? area(rows_, columns_) * 2 : area(symbol_rows(), 1) * row_bytes_;
    packed_ = out_.reserve(sizes_.symbols);
    return packed_ != nullptr;
  }

  Result<ConstMatrix> transformed(std::int64_t first, std::int64_t count) {
    std::size_t into = 0;
    Matrix tile = dense(buffers_.tiles[into].data(), count, source_.columns());
    SLUICE_TRY(load(source_.part(first, count), tile));
    for (const auto& plan : transforms_) {
      into = 1 - into;
      const Matrix to = dense(buffers_.tiles[into].data(), count, plan->columns());
      plan->forward(first, tile, to);
      tile = to;
    }
    return ConstMatrix(tile);
  }

  void put(std::int64_t first, ConstMatrix tile) {
    if (quantizer_ == nullptr) {
      round_to_bf16(tile, packed_ + area(first, columns_) * 2);
      return;
    }
    const SymbolShape& shape = quantizer_->symbols();
    const std::int64_t batch_first = keeps_symbols() || is_direct_ ? 0 : first / batch_ * batch_;
    std::uint8_t* symbols =
        is_direct_ ? reinterpret_cast<std::uint8_t*>(packed_) : buffers_.symbols.data();
    std::byte* side = buffers_.side.extend(side_used_, quantizer_->side_bytes_max(tile.rows));
    const std::int64_t ahead = (first - batch_first) / shape.rows_together;
    side_used_ +=
        quantizer_->encode(first, tile, symbols + area(ahead, 1) * shape.bits.size(), side);
    const std::int64_t done = first + tile.rows;
    if (!keeps_symbols() && !is_direct_ && (done == rows_ || done - batch_first == batch_)) {
      pack_symbols(shape, shape.symbol_rows(done - batch_first), symbols,
                   packed_ + area(batch_first / shape.rows_together, 1) * row_bytes_);
    }
  }

  Result<PlaneSizes> finish(ConstMatrix whole) {
    if (stages_.entropy != nullptr) {
      ByteWriter coded;
      SLUICE_TRY(stages_.entropy->encode(plane_, quantizer_->symbols(), symbol_rows(),
                                         buffers_.symbols.data(), coded));
      sizes_.symbols = coded.bytes().size();
      if (!append(coded.bytes())) return sizes_;
    } else if (keeps_symbols()) {
      pack_symbols(quantizer_->symbols(), symbol_rows(), buffers_.symbols.data(), packed_);
    }
    sizes_.side = side_used_;
    if (!append({buffers_.side.data(), side_used_})) return sizes_;
    if (stages_.correct != nullptr) {
      ByteWriter correction;
      const ConstMatrix decoded = SLUICE_TRY(reconstructed(whole));
      SLUICE_TRY(stages_.correct->encode(plane_, whole, decoded, correction));
      sizes_.correction = correction.bytes().size();
      if (!append(correction.bytes())) return sizes_;
    }
    sizes_.fits = true;
    return sizes_;
  }

  bool append(Bytes bytes) {
    std::byte* to = out_.reserve(bytes.size());
    if (to == nullptr) return false;
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    return true;
  }

  // What the decoder will have before the correction.
  Result<ConstMatrix> reconstructed(ConstMatrix whole) {
    auto& buffer = whole.data == buffers_.rows[0].data() ? buffers_.rows[1] : buffers_.rows[0];
    const Matrix rows = dense(buffer.need(area(rows_, columns_)), rows_, columns_);
    ByteReader side(Bytes(buffers_.side.data(), side_used_).subspan(dequantizer_side_));
    Plane plane = plane_;
    plane.importance = {};
    const auto plan = SLUICE_TRY(stages_.quantize->begin_decode(plane, columns_, side));
    SLUICE_TRY(plan->decode(0, buffers_.symbols.data(), side.rest(), rows));
    return ConstMatrix(rows);
  }

  const StageList& stages_;
  const Plane& plane_;
  const KvTile& source_;
  FrameWriter& out_;
  Scratch::Buffers& buffers_;

  std::int64_t rows_;
  std::int64_t columns_;  // as the last stage so far leaves them
  std::int64_t widest_;
  std::int64_t multiple_ = 1;
  std::vector<std::unique_ptr<TransformPlan>> transforms_;
  std::unique_ptr<QuantizePlan> quantizer_;
  ByteWriter begun_;                  // side bytes of the stages' beginnings
  std::size_t dequantizer_side_ = 0;  // where the quantizer's begin
  std::size_t side_used_ = 0;
  std::int64_t step_ = 0;      // rows of a tile
  std::int64_t batch_ = 0;     // rows whose symbols are held
  std::size_t row_bytes_ = 0;  // of a packed row of symbols
  bool is_direct_ = false;     // symbols are written where they are sent from
  std::byte* packed_ = nullptr;
  PlaneSizes sizes_;
};

class PlaneDecoder {
 public:
  PlaneDecoder(const StageList& stages, const Plane& plane, const PlaneBytes& coded,
               const KvTile& target, Scratch::Buffers& buffers)
      : stages_(stages), plane_(plane), coded_(coded), target_(target), buffers_(buffers) {}

  Status run() {
    rows_ = static_cast<std::int64_t>(target_.rows.size());
    SLUICE_TRY(begin());
    SLUICE_TRY(check_symbols());
    const std::size_t tile = area(std::min(step_, rows_), widest_);
    for (auto& buffer : buffers_.tiles) buffer.need(tile);
    Matrix whole;
    if (stages_.correct != nullptr) {
      whole = dense(buffers_.rows[0].need(area(rows_, columns_)), rows_, columns_);
      SLUICE_TRY(each_tile([&](std::int64_t first, std::int64_t count) -> Status {
        return coefficients(first, dense(whole.row(first), count, columns_));
      }));
      ByteReader correction(coded_.correction);
      SLUICE_TRY(stages_.correct->decode(plane_, correction, whole));
      if (correction.remaining() != 0) return leftover_bytes();
    }
    const auto store = [&](std::int64_t first, std::int64_t count) -> Status {
      Matrix rows = dense(buffers_.tiles[0].data(), count, columns_);
      if (stages_.correct != nullptr) {
        rows = dense(whole.row(first), count, columns_);
      } else {
        SLUICE_TRY(coefficients(first, rows));
      }
      store_tile(target_.part(first, count), inverse(first, rows));
      return {};
    };
    target_.bypasses_cache = area(rows_, target_.columns()) * 2 >= kStreamedBytes;
    const Status stored = each_tile(store);
    if (target_.bypasses_cache) settle_stores();
    SLUICE_TRY(stored);
    return rest_.empty() ? Status() : leftover_bytes();
  }

 private:
  template <class Body>
  Status each_tile(const Body& body) {
    for (std::int64_t first = 0; first < rows_; first += step_) {
      SLUICE_TRY(body(first, std::min(step_, rows_ - first)));
    }
    return {};
  }

  Status begin() {
    ByteReader side(coded_.side);
    columns_ = widest_ = target_.columns();
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
      multiple_ = stages_.quantize->row_multiple();
      if (!is_consistent(quantizer_->symbols(), columns_, multiple_)) return wrong_symbols();
    }
    rest_ = side.rest();
    return {};
  }

  // Sizes of packed symbols; entropy-coded ones are decoded whole.
  Status check_symbols() {
    step_ = rows_of_tile(widest_, multiple_);
    if (quantizer_ == nullptr) {
      return coded_.symbols.size() == area(rows_, columns_) * 2 ? Status() : wrong_symbols();
    }
    const SymbolShape& shape = quantizer_->symbols();
    const std::int64_t symbol_rows = shape.symbol_rows(rows_);
    const std::size_t width = shape.bits.size();
    if (stages_.entropy != nullptr) {
      std::uint8_t* symbols = buffers_.symbols.need(static_cast<std::size_t>(symbol_rows) * width);
      return stages_.entropy->decode(plane_, shape, symbol_rows, coded_.symbols, symbols);
    }
    row_bytes_ = packed_bytes(shape, 1);
    if (coded_.symbols.size() != area(symbol_rows, 1) * row_bytes_) return wrong_symbols();
    is_direct_ = are_bytes(shape);
    if (is_direct_) return {};
    batch_ = std::min(rows_of_batch(columns_, step_), rows_);
    buffers_.symbols.need(area(shape.symbol_rows(batch_), 1) * width);
    return {};
  }

  // Dequantized rows first, first + 1 and so on.
  Status coefficients(std::int64_t first, Matrix rows) {
    if (quantizer_ == nullptr) {
      expand_bf16(coded_.symbols.data() + area(first, columns_) * 2, rows);
      return {};
    }
    const SymbolShape& shape = quantizer_->symbols();
    std::int64_t held_first = 0;
    const std::uint8_t* held = buffers_.symbols.data();
    if (is_direct_) {
      held = reinterpret_cast<const std::uint8_t*>(coded_.symbols.data());
    } else if (stages_.entropy == nullptr) {
      held_first = first / batch_ * batch_;
      if (held_first == first) {
        const std::int64_t count = shape.symbol_rows(std::min(batch_, rows_ - first));
        const Bytes packed = coded_.symbols.subspan(
            area(first / shape.rows_together, 1) * row_bytes_, area(count, 1) * row_bytes_);
        SLUICE_TRY(unpack_symbols(shape, count, packed, buffers_.symbols.data()));
      }
    }
    const std::uint8_t* symbols =
        held + area((first - held_first) / shape.rows_together, 1) * shape.bits.size();
    const std::size_t read = SLUICE_TRY(quantizer_->decode(first, symbols, rest_, rows));
    if (read > rest_.size()) return wrong_symbols();
    rest_ = rest_.subspan(read);
    return {};
  }

  ConstMatrix inverse(std::int64_t first, ConstMatrix rows) {
    for (std::size_t i = transforms_.size(); i-- > 0;) {
      auto& buffer = buffers_.tiles[rows.data == buffers_.tiles[1].data() ? 0 : 1];
      const Matrix to = dense(buffer.data(), rows.rows, input_columns_[i]);
      transforms_[i]->inverse(first, rows, to);
      rows = to;
    }
    return rows;
  }

  const StageList& stages_;
  const Plane& plane_;
  const PlaneBytes& coded_;
  KvTile target_;
  Scratch::Buffers& buffers_;

  std::int64_t rows_ = 0;
  std::int64_t columns_ = 0;
  std::int64_t widest_ = 0;
  std::int64_t multiple_ = 1;
  std::vector<std::unique_ptr<InversePlan>> transforms_;
  std::vector<std::int64_t> input_columns_;  // by transform
  std::unique_ptr<DequantizePlan> quantizer_;
  Bytes rest_;                 // side bytes not read yet
  std::int64_t step_ = 0;      // rows of a tile
  std::int64_t batch_ = 0;     // rows whose packed symbols are held
  std::size_t row_bytes_ = 0;  // of a packed row of symbols
  bool is_direct_ = false;     // symbols are read where they arrived
};

}  // namespace

Result<PlaneSizes> encode_plane(const StageList& stages, const Plane& plane, const KvTile& rows,
                                FrameWriter& out, Scratch::Buffers& buffers) {
  return PlaneEncoder(stages, plane, rows, out, buffers).run();
}

Status observe_plane(const StageList& stages, const Plane& plane, const KvTile& rows,
                     const Stage& stage, Calibration& learner, Scratch::Buffers& buffers) {
  FrameWriter nowhere({});
  return PlaneEncoder(stages, plane, rows, nowhere, buffers).observe(stage, learner);
}

Status decode_plane(const StageList& stages, const Plane& plane, const PlaneBytes& coded,
                    const KvTile& rows, Scratch::Buffers& buffers) {
  return PlaneDecoder(stages, plane, coded, rows, buffers).run();
}

}  // namespace sluice::kernels
