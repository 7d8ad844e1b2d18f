// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/qaq_levels/qaq_levels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "kernels/stages/select/scored_select.hpp"

namespace sluice::kernels {
namespace {

constexpr std::array<ParameterRow, 7> kRows{
    {{"bits", ParameterKind::kList, 0.0F, 0.0F, 16.0F, "",
      "what the quantizer takes for levels 1, 2, ...: falling"},
     {"key_error", ParameterKind::kNumber, 1.0F, 1e-12F, 1e12F, "",
      "variance that K's error may cause"},
     {"value_error", ParameterKind::kNumber, 1.0F, 1e-12F, 1e12F, "",
      "variance that V's error may cause"},
     {"query_max", ParameterKind::kNumber, 10.0F, 1e-6F, 1e6F, "",
      "largest element of a query, as measured of the model"},
     {"outliers", ParameterKind::kNumber, 0.01F, 0.0F, 0.5F, "",
      "elements of a token that the quantizer keeps apart"},
     {"window", ParameterKind::kInteger, 5.0F, 1.0F, 4096.0F, "",
      "last tokens whose attention predicts what is to come; the last but one are kept finest"},
     {"scope", ParameterKind::kChoice, 1.0F, 0.0F, 1.0F, "head layer",
      "who shares one level of a token"}}};

struct QaqOptions {
  std::vector<float> bits;
  float key_error;
  float value_error;
  float query_max;
  float outliers;
  std::int64_t window;
  bool is_per_head;
};

// The difference between the largest and the smallest element without the outliers on each side.
float range_of(std::vector<float>& row, float outliers) {
  std::sort(row.begin(), row.end());
  const auto count = static_cast<double>(row.size());
  const auto cut = static_cast<std::size_t>(count * static_cast<double>(outliers) / 2);
  return row[row.size() - 1 - cut] - row[cut];
}

// Section 3: with a_t the largest weight that the last queries give to token t of T, an element of
// V may be off by sqrt(error) / (T a_t), and one of K by sqrt(error / d) / (T q x_t), where q is
// the largest element of a query and x_t = max over s of |a_t (t == s) - a_t a_s|. A token needs
// log2(range / (2 off) + 1) bits, rounded up. K and V of a token share a level here, the finer one;
// the paper chooses for each.
class QaqLevels final : public SelectStage {
 public:
  explicit QaqLevels(QaqOptions options) : options_(std::move(options)) {}

  ScoreNeeds score_needs() const override {
    return {.window_tokens = options_.window, .peak = true};
  }
  bool needs_all_heads() const override { return !options_.is_per_head; }

  Status select(const SelectInput& input, SelectState& state) const override {
    SLUICE_TRY(window_scores(input, "qaq_levels", options_.window, false));
    const std::int64_t kv_heads = input.shape->kv_heads;
    if (input.scores->peak.size() != static_cast<std::size_t>(kv_heads * input.tokens)) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'qaq_levels' needs the largest weights of the layer's attention");
    }
    const std::vector<std::uint8_t> levels = levels_of(input);  // [kv_heads][tokens]
    const bool splits = options_.is_per_head && kv_heads > 1;
    TokenLevels& known = state.levels;
    if (splits && known.heads == 1) {
      const std::vector<std::uint8_t> one = known.level;
      const std::vector<float> importance = known.importance;
      for (std::int64_t head = 1; head < kv_heads; ++head) {
        known.level.insert(known.level.end(), one.begin(), one.end());
        known.importance.insert(known.importance.end(), importance.begin(), importance.end());
      }
      known.heads = kv_heads;
    }
    const auto tokens = static_cast<std::size_t>(input.tokens);
    for (std::size_t i = 0; i < known.level.size(); ++i) {
      if (known.level[i] == kLevelDropped || known.level[i] == kLevelExact) continue;
      std::uint8_t level = levels[i];
      if (!splits) {
        level = kLevelsMax;
        for (std::size_t at = i % tokens; at < levels.size(); at += tokens) {
          level = std::min(level, levels[at]);
        }
      }
      known.level[i] = level;
    }
    return {};
  }

 private:
  std::vector<std::uint8_t> levels_of(const SelectInput& input) const {
    const auto dim = static_cast<std::size_t>(input.shape->head_dim);
    const auto tokens = static_cast<std::size_t>(input.tokens);
    const std::vector<float> keys = gather_layer(input, KvHalf::kKey);
    const std::vector<float> values = gather_layer(input, KvHalf::kValue);
    const std::vector<float>& peak = input.scores->peak;
    const float root = std::sqrt(static_cast<float>(dim));
    std::vector<std::uint8_t> levels(peak.size(), 1);
    std::vector<float> row(dim);
    for (std::size_t at = 0; at < peak.size(); at += tokens) {
      // The largest weight and the largest of the others: x_t needs max over s != t.
      std::size_t most = at;
      for (std::size_t i = at; i < at + tokens; ++i) {
        if (peak[i] > peak[most]) most = i;
      }
      float next = 0.0F;
      for (std::size_t i = at; i < at + tokens; ++i) {
        if (i != most) next = std::max(next, peak[i]);
      }
      for (std::size_t i = at; i + static_cast<std::size_t>(options_.window) <= at + tokens; ++i) {
        const float a = peak[i];
        const float x = std::max(a * (1.0F - a), a * (i == most ? next : peak[most]));
        const auto copy = [&](const std::vector<float>& from) {
          std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(i * dim), dim, row.begin());
        };
        const auto count = static_cast<float>(tokens);
        copy(keys);
        const float key_steps = range_of(row, options_.outliers) * count * options_.query_max * x *
                                root / (2.0F * std::sqrt(options_.key_error));
        copy(values);
        const float value_steps =
            range_of(row, options_.outliers) * count * a / (2.0F * std::sqrt(options_.value_error));
        levels[i] = level_for(std::max(key_steps, value_steps));
      }
    }
    return levels;
  }

  // The coarsest level whose 2^bits - 1 steps are enough; the finest if none is.
  std::uint8_t level_for(float steps) const {
    for (std::size_t i = options_.bits.size(); i-- > 0;) {
      const auto most = static_cast<float>((1 << static_cast<int>(options_.bits[i])) - 1);
      if (steps <= most) return static_cast<std::uint8_t>(i + 1);
    }
    return 1;
  }

  QaqOptions options_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const auto bits = parameters.list("bits");
  bool is_falling = !bits.empty() && bits.size() <= kLevelsMax;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    is_falling = is_falling && bits[i] == std::floor(bits[i]) && (i == 0 || bits[i] < bits[i - 1]);
  }
  if (!is_falling) {
    return make_error(ErrorCode::kInvalidArgument,
                      "stage 'qaq_levels' needs 'bits': 1 to 8 whole numbers, falling");
  }
  return std::unique_ptr<Stage>(
      std::make_unique<QaqLevels>(QaqOptions{.bits = {bits.begin(), bits.end()},
                                             .key_error = parameters.number("key_error"),
                                             .value_error = parameters.number("value_error"),
                                             .query_max = parameters.number("query_max"),
                                             .outliers = parameters.number("outliers"),
                                             .window = parameters.integer("window"),
                                             .is_per_head = parameters.choice("scope") == 0}));
}

}  // namespace

StageRow qaq_levels_row() {
  return {35,    "qaq_levels", StageRole::kSelect,
          1,     kRows,        "levels by the error that attention bears (2403.04643)",
          create};
}

}  // namespace sluice::kernels
