// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/kvquant/kvquant.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/core/dtype.hpp"
#include "kernels/stages/quantize/kvquant/levels.hpp"
#include "kernels/stages/quantize/kvquant/vector_range.hpp"

namespace sluice::kernels {
namespace {

constexpr ParameterRow kParameters[] = {
    {"bits", ParameterKind::kList, 0, 1, 4, "",
     "of a level's index, by token level; 3 if not given"},
    {"outliers", ParameterKind::kNumber, 0.01F, 0, 0.5F, "",
     "share of each vector that is sent apart, in BF16"},
};

// A gap between outliers is written in 7 bits a byte, low first, the eighth saying that more
// follow.
void put_gap(ByteWriter& writer, std::uint32_t gap) {
  for (; gap >= 0x80U; gap >>= 7) writer.put(static_cast<std::uint8_t>(gap | 0x80U));
  writer.put(static_cast<std::uint8_t>(gap));
}

Result<std::uint32_t> get_gap(ByteReader& reader) {
  std::uint32_t gap = 0;
  for (int shift = 0; shift < 28; shift += 7) {
    const auto byte = SLUICE_TRY(reader.get<std::uint8_t>());
    gap |= static_cast<std::uint32_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) return gap;
  }
  return make_error(ErrorCode::kCorrupt, "a frame's outliers lie too far apart");
}

struct Outlier {
  std::int64_t element;  // row * columns + column
  float value;
};

// A plane's numbers but its symbols: what a frame's head carries.
struct Content {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  bool is_by_channel = false;
  std::vector<float> levels;
  std::vector<float> middle;      // by vector
  std::vector<float> half;        // by vector: half of its range
  std::vector<Outlier> outliers;  // ascending
  SymbolShape shape;

  std::int64_t vectors() const { return is_by_channel ? columns : rows; }
  std::int64_t length() const { return is_by_channel ? rows : columns; }
  std::int64_t element(std::int64_t vector, std::int64_t index) const {
    return is_by_channel ? index * columns + vector : vector * columns + index;
  }
  std::size_t vector_of(std::int64_t row, std::int64_t column) const {
    return static_cast<std::size_t>(is_by_channel ? column : row);
  }
};

Content empty_content(const Plane& plane, std::int64_t columns, int bits) {
  Content content;
  content.rows = static_cast<std::int64_t>(plane.positions.size());
  content.columns = columns;
  content.is_by_channel = plane.is_key();
  content.shape.bits.assign(static_cast<std::size_t>(columns), static_cast<std::uint8_t>(bits));
  content.shape.context.assign(static_cast<std::size_t>(columns), 0);
  return content;
}

void sort_outliers(Content& content) {
  std::sort(content.outliers.begin(), content.outliers.end(),
            [](const Outlier& a, const Outlier& b) { return a.element < b.element; });
}

class Encoder final : public QuantizePlan {
 public:
  explicit Encoder(Content content) : content_(std::move(content)) {}

  const SymbolShape& symbols() const override { return content_.shape; }
  std::size_t side_bytes_max(std::int64_t /*rows*/) const override { return 0; }

  std::size_t encode(std::int64_t row_first, ConstMatrix rows, std::uint8_t* symbols,
                     std::byte* /*side*/) override {
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const float* values = rows.row(row);
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        const std::size_t vector = content_.vector_of(row_first + row, column);
        const float half = content_.half[vector];
        const float at = half == 0.0F ? 0.0F : (values[column] - content_.middle[vector]) / half;
        symbols[row * rows.columns + column] = nearest_level(content_.levels, at);
      }
    }
    return 0;
  }

 private:
  Content content_;
};

class Decoder final : public DequantizePlan {
 public:
  explicit Decoder(Content content) : content_(std::move(content)) {}

  const SymbolShape& symbols() const override { return content_.shape; }

  Result<std::size_t> decode(std::int64_t row_first, const std::uint8_t* symbols, Bytes /*side*/,
                             Matrix rows) override {
    const std::size_t level_last = content_.levels.size() - 1;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      float* values = rows.row(row);
      for (std::int64_t column = 0; column < rows.columns; ++column) {
        const std::size_t vector = content_.vector_of(row_first + row, column);
        const std::size_t level =
            std::min<std::size_t>(symbols[row * rows.columns + column], level_last);
        values[column] = content_.middle[vector] + content_.levels[level] * content_.half[vector];
      }
    }
    const std::int64_t first = row_first * rows.columns;
    const std::int64_t last = first + rows.rows * rows.columns;
    auto outlier = std::lower_bound(
        content_.outliers.begin(), content_.outliers.end(), first,
        [](const Outlier& a, std::int64_t element) { return a.element < element; });
    for (; outlier != content_.outliers.end() && outlier->element < last; ++outlier) {
      const std::int64_t at = outlier->element - first;
      rows.row(at / rows.columns)[at % rows.columns] = outlier->value;
    }
    return 0;
  }

 private:
  Content content_;
};

class KvQuant final : public QuantizeStage {
 public:
  explicit KvQuant(const Parameters& parameters) : parameters_(parameters) {}

  bool needs_all_rows() const override { return true; }

  Result<std::unique_ptr<QuantizePlan>> begin_encode(const Plane& plane, std::int64_t columns,
                                                     ConstMatrix all,
                                                     ByteWriter& side) const override {
    const int bits = bits_of(plane.level);
    Content content = empty_content(plane, columns, bits);
    find_ranges(content, all, side);
    find_levels(content, all, 1 << bits, side);
    return std::unique_ptr<QuantizePlan>(std::make_unique<Encoder>(std::move(content)));
  }

  Result<std::unique_ptr<DequantizePlan>> begin_decode(const Plane& plane, std::int64_t columns,
                                                       ByteReader& side) const override {
    const int bits = bits_of(plane.level);
    Content content = empty_content(plane, columns, bits);
    for (std::int64_t vector = 0; vector < content.vectors() && content.length() > 0; ++vector) {
      content.middle.push_back(f32_from_bf16(SLUICE_TRY(side.get<std::uint16_t>())));
      content.half.push_back(f32_from_bf16(SLUICE_TRY(side.get<std::uint16_t>())));
      SLUICE_TRY(read_outliers(content, vector, side));
    }
    for (int level = 0; level < 1 << bits; ++level) {
      content.levels.push_back(f32_from_bf16(SLUICE_TRY(side.get<std::uint16_t>())));
    }
    sort_outliers(content);
    return std::unique_ptr<DequantizePlan>(std::make_unique<Decoder>(std::move(content)));
  }

 private:
  int bits_of(std::uint8_t level) const {
    const auto list = parameters_.list("bits");
    if (list.empty()) return 3;
    const auto index = std::min<std::size_t>(std::max<int>(level, 1) - 1, list.size() - 1);
    return static_cast<int>(list[index]);
  }

  std::int64_t outliers_of(std::int64_t length) const {
    const auto asked = static_cast<std::int64_t>(
        std::rint(parameters_.number("outliers") * static_cast<float>(length)));
    return std::min(asked, length - 1);
  }

  void find_ranges(Content& content, ConstMatrix all, ByteWriter& side) const {
    if (content.length() == 0) return;
    std::vector<float> vector(static_cast<std::size_t>(content.length()));
    for (std::int64_t v = 0; v < content.vectors(); ++v) {
      for (std::int64_t i = 0; i < content.length(); ++i) {
        const float* row = all.row(content.is_by_channel ? i : v);
        vector[static_cast<std::size_t>(i)] = row[content.is_by_channel ? v : i];
      }
      const VectorRange range = narrowest_range(vector, outliers_of(content.length()));
      const std::uint16_t middle = bf16_from_f32(range.most * 0.5F + range.least * 0.5F);
      const std::uint16_t half = bf16_from_f32(range.most * 0.5F - range.least * 0.5F);
      content.middle.push_back(f32_from_bf16(middle));
      content.half.push_back(f32_from_bf16(half));
      side.put(middle);
      side.put(half);
      put_gap(side, static_cast<std::uint32_t>(range.outliers.size()));
      std::int64_t next = 0;
      for (const std::int32_t index : range.outliers) {
        put_gap(side, static_cast<std::uint32_t>(index - next));
        const std::uint16_t value = bf16_from_f32(vector[static_cast<std::size_t>(index)]);
        side.put(value);
        content.outliers.push_back({content.element(v, index), f32_from_bf16(value)});
        next = index + 1;
      }
    }
    sort_outliers(content);
  }

  // The outliers say nothing about the levels: their vectors' ranges were made without them.
  static void find_levels(Content& content, ConstMatrix all, int count, ByteWriter& side) {
    LevelHistogram histogram;
    auto outlier = content.outliers.begin();
    for (std::int64_t row = 0; row < content.rows; ++row) {
      for (std::int64_t column = 0; column < content.columns; ++column) {
        if (outlier != content.outliers.end() &&
            outlier->element == row * content.columns + column) {
          ++outlier;
          continue;
        }
        const std::size_t vector = content.vector_of(row, column);
        const float half = content.half[vector];
        if (half == 0.0F) continue;
        const float at = (all.row(row)[column] - content.middle[vector]) / half;
        histogram.add(std::min(std::max(at, -1.0F), 1.0F), double{half} * double{half});
      }
    }
    for (const std::uint16_t level : histogram.levels(count)) {
      content.levels.push_back(f32_from_bf16(level));
      side.put(level);
    }
  }

  static Status read_outliers(Content& content, std::int64_t vector, ByteReader& side) {
    const auto count = SLUICE_TRY(get_gap(side));
    std::int64_t next = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      next += SLUICE_TRY(get_gap(side));
      const auto value = SLUICE_TRY(side.get<std::uint16_t>());
      if (next >= content.length()) {
        return make_error(ErrorCode::kCorrupt, "a frame's outlier lies outside its vector");
      }
      content.outliers.push_back({content.element(vector, next), f32_from_bf16(value)});
      ++next;
    }
    return {};
  }

  Parameters parameters_;
};

}  // namespace

StageRow kvquant_row() {
  return {.id = 211,
          .name = "kvquant",
          .role = StageRole::kQuantize,
          .version = 1,
          .parameters = kParameters,
          .summary = "non-uniform levels, outliers apart (KVQuant, 2401.18079)",
          .create = [](const Parameters& parameters) -> Result<std::unique_ptr<Stage>> {
            return std::unique_ptr<Stage>(std::make_unique<KvQuant>(parameters));
          }};
}

}  // namespace sluice::kernels
