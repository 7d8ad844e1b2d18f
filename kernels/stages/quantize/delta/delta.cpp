// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/delta/delta.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "kernels/stages/quantize/delta/range_group.hpp"

namespace sluice::kernels {
namespace {

enum Mode : std::int64_t { kSequential, kAnchor };
enum Scale : std::int64_t { kRange, kBins };

constexpr ParameterRow kParameters[] = {
    {"mode", ParameterKind::kChoice, kAnchor, 0, 1, "sequential anchor",
     "what a token is subtracted from: the one before it, or the first of its group"},
    {"group", ParameterKind::kInteger, 10, 0, 256, "",
     "tokens from one anchor to the next; 0: one group (sequential only)"},
    {"bits", ParameterKind::kList, 0, 1, 8, "", "of a difference, by level; 4 if not given"},
    {"anchor_bits", ParameterKind::kInteger, 8, 1, 8, "", "of an anchor"},
    {"channels", ParameterKind::kInteger, 64, 0, 4096, "",
     "that share a scale; 0: all of a token's"},
    {"scale", ParameterKind::kChoice, kRange, 0, 1, "range bins",
     "of differences: least to most of each run, or bins as wide as `bins` deviations"},
    {"bins", ParameterKind::kList, 0, 0.01F, 16, "",
     "width of a bin by level, in root mean squares of the channel's differences; 1 if not given"},
    {"closed_loop", ParameterKind::kBool, 1, 0, 1, "",
     "subtract what the decoder will have, not what was"},
};

struct Options {
  std::int64_t mode;
  std::int64_t group;  // at least 1 where it is used; 0: one group
  std::int64_t bits;
  std::int64_t anchor_bits;
  std::int64_t channels;
  std::int64_t scale;
  float bin;
  bool is_closed_loop;
};

float by_level(std::span<const float> list, std::uint8_t level, float fallback) {
  if (list.empty()) return fallback;
  const std::size_t index = std::min<std::size_t>(std::max<int>(level, 1) - 1, list.size() - 1);
  return list[index];
}

Options options_of(const Parameters& parameters, std::uint8_t level) {
  Options options{};
  options.mode = parameters.choice("mode");
  options.group = parameters.integer("group");
  options.bits = static_cast<std::int64_t>(by_level(parameters.list("bits"), level, 4.0F));
  options.anchor_bits = parameters.integer("anchor_bits");
  options.channels = parameters.integer("channels");
  options.scale = parameters.choice("scale");
  options.bin = by_level(parameters.list("bins"), level, 1.0F);
  options.is_closed_loop = parameters.flag("closed_loop");
  if (options.scale == kBins) options.bits = 8;
  return options;
}

// What encoder and decoder share: sizes, and how symbols lie.
class Layout {
 public:
  Layout(const Options& options, std::int64_t columns)
      : options_(options),
        columns_(columns),
        run_(options.channels == 0 ? std::max<std::int64_t>(columns, 1) : options.channels) {
    shape_.rows_together = std::max<std::int64_t>(options.group, 1);
    for (std::int64_t row = 0; row < shape_.rows_together; ++row) {
      const bool is_anchor = options.group > 0 && row == 0;
      for (std::int64_t column = 0; column < columns; ++column) {
        shape_.bits.push_back(
            static_cast<std::uint8_t>(is_anchor ? options.anchor_bits : options.bits));
        shape_.context.push_back(static_cast<std::uint16_t>(is_anchor ? column : columns + column));
      }
    }
  }

  const SymbolShape& shape() const { return shape_; }
  const Options& options() const { return options_; }
  std::int64_t columns() const { return columns_; }
  std::int64_t run() const { return run_; }
  std::int64_t runs() const { return (columns_ + run_ - 1) / run_; }

  // With one group, its only anchor is written whole to the side stream.
  bool is_anchor(std::int64_t row) const {
    return options_.group == 0 ? row == 0 : row % options_.group == 0;
  }
  std::size_t side_bytes(std::int64_t row) const {
    const auto scales = static_cast<std::size_t>(runs()) * sizeof(RangeGroup);
    if (!is_anchor(row)) return options_.scale == kRange ? scales : 0;
    return scales + (options_.group == 0 ? static_cast<std::size_t>(columns_) : 0);
  }
  float symbol_max(bool of_anchor) const {
    return static_cast<float>((1 << (of_anchor ? options_.anchor_bits : options_.bits)) - 1);
  }

 private:
  Options options_;
  std::int64_t columns_;
  std::int64_t run_;
  SymbolShape shape_;
};

constexpr float kBinZero = 128.0F;  // the symbol of a difference of 0
constexpr float kBinMost = 127.0F;

class Encoder final : public QuantizePlan {
 public:
  Encoder(Layout layout, std::vector<float> widths)
      : layout_(std::move(layout)),
        widths_(std::move(widths)),
        reference_(static_cast<std::size_t>(layout_.columns())),
        difference_(reference_.size()) {}

  const SymbolShape& symbols() const override { return layout_.shape(); }

  std::size_t side_bytes_max(std::int64_t rows) const override {
    const auto scales = static_cast<std::size_t>(layout_.runs()) * sizeof(RangeGroup);
    return static_cast<std::size_t>(rows) * scales + static_cast<std::size_t>(layout_.columns());
  }

  std::size_t encode(std::int64_t row_first, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* side) override {
    std::byte* at = side;
    const std::int64_t columns = layout_.columns();
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      std::uint8_t* out = symbols + row * columns;
      at = layout_.is_anchor(row_first + row) ? anchor(rows.row(row), out, at)
                                              : difference(rows.row(row), out, at);
    }
    const std::int64_t filled = rows.rows * columns;
    const std::int64_t all = layout_.shape().symbol_rows(rows.rows) *
                             static_cast<std::int64_t>(layout_.shape().bits.size());
    std::fill(symbols + filled, symbols + all, std::uint8_t{0});
    return static_cast<std::size_t>(at - side);
  }

 private:
  // `values` to symbols, and what the decoder will have to `decoded`.
  std::byte* ranges(const float* values, float symbol_max, std::uint8_t* out, std::byte* side,
                    float* decoded) const {
    const std::int64_t columns = layout_.columns();
    for (std::int64_t first = 0; first < columns; first += layout_.run()) {
      const std::int64_t count = std::min(layout_.run(), columns - first);
      const RangeGroup group = RangeGroup::of(values + first, count, symbol_max);
      std::memcpy(side, &group, sizeof group);
      side += sizeof group;
      for (std::int64_t i = first; i < first + count; ++i) {
        out[i] = group.symbol(values[i], symbol_max);
        decoded[i] = group.value(out[i]);
      }
    }
    return side;
  }

  std::byte* anchor(const float* values, std::uint8_t* out, std::byte* side) {
    std::byte* after = ranges(values, layout_.symbol_max(true), out, side, reference_.data());
    if (layout_.options().group == 0) {
      std::memcpy(after, out, reference_.size());
      std::fill_n(out, layout_.columns(), std::uint8_t{0});
      after += reference_.size();
    }
    keep_original(values);
    return after;
  }

  std::byte* difference(const float* values, std::uint8_t* out, std::byte* side) {
    const std::size_t columns = reference_.size();
    for (std::size_t i = 0; i < columns; ++i) {
      difference_[i] = within_bf16_range(values[i] - reference_[i]);
    }
    if (layout_.options().scale == kRange) {
      side = ranges(difference_.data(), layout_.symbol_max(false), out, side, difference_.data());
    } else {
      for (std::size_t i = 0; i < columns; ++i) {
        const float at = widths_[i] == 0.0F ? 0.0F : std::rint(difference_[i] / widths_[i]);
        const float least = at > -kBinMost ? at : -kBinMost;  // a NaN too
        const float bin = least < kBinMost ? least : kBinMost;
        out[i] = static_cast<std::uint8_t>(bin + kBinZero);
        difference_[i] = bin * widths_[i];
      }
    }
    if (layout_.options().mode == kSequential) {
      for (std::size_t i = 0; i < columns; ++i) reference_[i] += difference_[i];
      keep_original(values);
    }
    return side;
  }

  void keep_original(const float* values) {
    if (!layout_.options().is_closed_loop) {
      std::copy_n(values, layout_.columns(), reference_.data());
    }
  }

  Layout layout_;
  std::vector<float> widths_;  // by column, with bins
  std::vector<float> reference_;
  std::vector<float> difference_;
};

class Decoder final : public DequantizePlan {
 public:
  Decoder(Layout layout, std::vector<float> widths)
      : layout_(std::move(layout)),
        widths_(std::move(widths)),
        reference_(static_cast<std::size_t>(layout_.columns())) {}

  const SymbolShape& symbols() const override { return layout_.shape(); }

  Result<std::size_t> decode(std::int64_t row_first, const std::uint8_t* symbols, Bytes side,
                             Matrix rows) override {
    std::size_t used = 0;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const std::size_t bytes = layout_.side_bytes(row_first + row);
      if (side.size() - used < bytes) {
        return make_error(ErrorCode::kCorrupt, "a frame's differences lack their scales");
      }
      const std::byte* at = side.data() + used;
      used += bytes;
      const std::uint8_t* in = symbols + row * layout_.columns();
      if (layout_.is_anchor(row_first + row)) {
        if (layout_.options().group == 0) {
          in = reinterpret_cast<const std::uint8_t*>(at + bytes - reference_.size());
        }
        ranges(in, at, [](float& value, float decoded) { value = decoded; });
        std::copy(reference_.begin(), reference_.end(), rows.row(row));
      } else {
        difference(in, at, rows.row(row));
      }
    }
    return used;
  }

 private:
  template <class Apply>
  void ranges(const std::uint8_t* in, const std::byte* side, Apply apply) {
    const std::int64_t columns = layout_.columns();
    for (std::int64_t first = 0; first < columns; first += layout_.run()) {
      RangeGroup group;
      std::memcpy(&group, side, sizeof group);
      side += sizeof group;
      const std::int64_t last = std::min(first + layout_.run(), columns);
      for (std::int64_t i = first; i < last; ++i) {
        apply(reference_[static_cast<std::size_t>(i)], group.value(in[i]));
      }
    }
  }

  void difference(const std::uint8_t* in, const std::byte* side, float* out) {
    const std::vector<float> anchor = reference_;
    if (layout_.options().scale == kRange) {
      ranges(in, side, [](float& value, float decoded) { value += decoded; });
    } else {
      for (std::size_t i = 0; i < reference_.size(); ++i) {
        reference_[i] += (static_cast<float>(in[i]) - kBinZero) * widths_[i];
      }
    }
    std::copy(reference_.begin(), reference_.end(), out);
    if (layout_.options().mode == kAnchor) reference_ = anchor;
  }

  Layout layout_;
  std::vector<float> widths_;
  std::vector<float> reference_;
};

class Delta final : public QuantizeStage {
 public:
  explicit Delta(const Parameters& parameters) : parameters_(parameters) {}

  bool needs_all_rows() const override { return parameters_.choice("scale") == kBins; }
  std::int64_t row_multiple() const override {
    return std::max<std::int64_t>(parameters_.integer("group"), 1);
  }

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix all,
                                                     ByteWriter& side) const override {
    const Options options = options_of(parameters_, plane.level);
    SLUICE_TRY(check(columns));
    std::vector<float> widths;
    if (options.scale == kBins) {
      widths = bin_widths(options, all, columns);
      for (float& width : widths) {
        const std::uint16_t sent = bf16_from_f32(width);
        side.put(sent);
        width = f32_from_bf16(sent);
      }
    }
    return std::unique_ptr<QuantizePlan>(
        std::make_unique<Encoder>(Layout(options, columns), std::move(widths)));
  }

  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& side) const override {
    const Options options = options_of(parameters_, plane.level);
    SLUICE_TRY(check(columns));
    std::vector<float> widths;
    if (options.scale == kBins) {
      for (std::int64_t i = 0; i < columns; ++i) {
        widths.push_back(f32_from_bf16(SLUICE_TRY(side.get<std::uint16_t>())));
      }
    }
    return std::unique_ptr<DequantizePlan>(
        std::make_unique<Decoder>(Layout(options, columns), std::move(widths)));
  }

 private:
  // Contexts are 16 bits wide: the anchors' columns, then the differences'.
  static Status check(std::int64_t columns) {
    if (columns <= 0x7fff) return {};
    return make_error(ErrorCode::kUnsupported,
                      "'delta' works on at most 32,767 channels of one layer at a time");
  }

  // Wide enough that no difference of the originals falls outside the bins.
  std::vector<float> bin_widths(const Options& options, ConstMatrix all,
                                std::int64_t columns) const {
    std::vector<float> squares(static_cast<std::size_t>(columns), 0.0F);
    std::vector<float> most(squares.size(), 0.0F);
    float count = 0.0F;
    const std::int64_t group =
        options.group == 0 ? std::max<std::int64_t>(all.rows, 1) : options.group;
    for (std::int64_t row = 0; row < all.rows; ++row) {
      if (row % group == 0) continue;
      const float* from = all.row(options.mode == kSequential ? row - 1 : row - row % group);
      const float* values = all.row(row);
      for (std::size_t i = 0; i < squares.size(); ++i) {
        const float difference = within_bf16_range(values[i] - from[i]);
        squares[i] += difference * difference;
        most[i] = std::max(most[i], std::fabs(difference));
      }
      count += 1.0F;
    }
    for (std::size_t i = 0; i < squares.size(); ++i) {
      const float deviation = count == 0.0F ? 0.0F : std::sqrt(squares[i] / count);
      // Squares of huge differences are infinite, a width must not be.
      squares[i] = std::min(std::max(options.bin * deviation, most[i] / kBinMost), kBf16Most);
    }
    return squares;
  }

  Parameters parameters_;
};

}  // namespace

StageRow delta_row() {
  return {.id = 210,
          .name = "delta",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "differences between tokens: CacheGen's anchors (2310.07240), sequential",
          .create = [](const Parameters& parameters) -> Result<std::unique_ptr<Stage>> {
            if (parameters.integer("group") == 0 && parameters.choice("mode") == kAnchor) {
              return make_error(ErrorCode::kInvalidArgument,
                                "stage 'delta': anchors need a 'group' of at least 1");
            }
            return std::unique_ptr<Stage>(std::make_unique<Delta>(parameters));
          }};
}

}  // namespace sluice::kernels
