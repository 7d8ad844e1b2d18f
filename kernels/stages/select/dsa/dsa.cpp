// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/select/dsa/dsa.hpp"

#include <algorithm>

#include "kernels/stages/select/draw.hpp"
#include "kernels/stages/select/scored_select.hpp"
#include "kernels/stages/transform/linear_algebra/multiply.hpp"

namespace sluice::kernels {
namespace {

constexpr auto kRows = selection_rows(
    {.budget = 0.5F}, std::array<ParameterRow, 2>{
                          {{"queries", ParameterKind::kInteger, 64.0F, 1.0F, 4096.0F, "",
                            "last tokens that stand for the question where its span is not known"},
                           {"width", ParameterKind::kInteger, 32.0F, 1.0F, 1024.0F, "",
                            "elements of the indexer's queries and keys"}}});

// [width][head_dim] of +1 and -1: a random projection that keeps products in the mean (Achlioptas,
// JCSS 66, 2003). One for all, so that it need not be sent or learned.
std::vector<float> projection(std::int64_t width, std::int64_t dim) {
  std::vector<float> signs;
  for (std::int64_t i = 0; i < width * dim; ++i) {
    signs.push_back((draw_bits(0, 0, 0, i) >> 63) != 0 ? 1.0F : -1.0F);
  }
  return signs;
}

// I[i, t] = sum over heads j of w_j ReLU(q_j[i] . k[t]), the indexer's form. A model without a
// trained indexer has no q, k and w for it: here they are random projections of the attention's own
// (after RoPE), and every w_j is 1. Approximate: it ranks by raw products, not by softmax, and with
// noise of the projection. The model selects for each query; a cache is cut once, so the question's
// queries add up.
class Dsa final : public ScoredSelect {
 public:
  Dsa(const SelectionOptions& options, std::int64_t queries, std::int64_t width)
      : ScoredSelect(options), queries_(queries), width_(width) {}

  ScoreNeeds score_needs() const override {
    return {.window_tokens = queries_, .question = true, .queries = true};
  }

 protected:
  Result<std::vector<float>> score(const SelectInput& input) const override {
    const std::int64_t dim = input.shape->head_dim;
    const std::int64_t kv_heads = input.shape->kv_heads;
    const std::int64_t window =
        input.scores == nullptr ? 0 : input.tokens - input.scores->window_first;
    const auto floats =
        input.scores == nullptr ? 0 : static_cast<std::int64_t>(input.scores->queries.size());
    if (window <= 0 || floats % (window * dim * kv_heads) != 0) {
      if (input.tokens == 0) return std::vector<float>();
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'dsa' needs the queries of the layer's attention");
    }
    const std::int64_t rows = floats / dim;  // of all heads
    const std::int64_t group = rows / window / kv_heads;
    const std::vector<float> signs = projection(width_, dim);
    std::vector<float> queries(static_cast<std::size_t>(rows * width_));
    multiply_transposed({input.scores->queries.data(), rows, dim, dim},
                        {signs.data(), width_, dim, dim}, {queries.data(), rows, width_, width_});
    const std::vector<float> all = gather_layer(input, KvHalf::kKey);
    std::vector<float> keys(static_cast<std::size_t>(kv_heads * input.tokens * width_));
    multiply_transposed({all.data(), kv_heads * input.tokens, dim, dim},
                        {signs.data(), width_, dim, dim},
                        {keys.data(), kv_heads * input.tokens, width_, width_});
    std::vector<float> scores(static_cast<std::size_t>(kv_heads * input.tokens));
    for (std::int64_t kv_head = 0; kv_head < kv_heads; ++kv_head) {
      for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        add_index({queries.data() + head * width_, window, width_, width_ * group * kv_heads},
                  {keys.data() + kv_head * input.tokens * width_, input.tokens, width_, width_},
                  scores.data() + kv_head * input.tokens);
      }
    }
    return scores;
  }
  Result<Choice> choice(const SelectInput& input, std::span<const float> /*scores*/,
                        std::vector<float>& /*storage*/) const override {
    Choice choice;
    if (input.scores != nullptr) choice.tail_first = input.scores->window_first;
    return choice;
  }

 private:
  // In blocks of keys, so that products stay small however long the prompt is.
  static void add_index(ConstMatrix queries, ConstMatrix keys, float* scores) {
    constexpr std::int64_t kBlock = 256;
    std::vector<float> products(static_cast<std::size_t>(queries.rows * kBlock));
    for (std::int64_t first = 0; first < keys.rows; first += kBlock) {
      const std::int64_t count = std::min(kBlock, keys.rows - first);
      multiply_transposed(queries, {keys.row(first), count, keys.columns, keys.stride},
                          {products.data(), queries.rows, count, kBlock});
      for (std::int64_t i = 0; i < queries.rows; ++i) {
        const float* row = products.data() + i * kBlock;
        for (std::int64_t t = 0; t < count; ++t) scores[first + t] += std::max(row[t], 0.0F);
      }
    }
  }

  std::int64_t queries_;
  std::int64_t width_;
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  const SelectionOptions options = SLUICE_TRY(selection_options_by_layer("dsa", parameters));
  return std::unique_ptr<Stage>(
      std::make_unique<Dsa>(options, parameters.integer("queries"), parameters.integer("width")));
}

}  // namespace

StageRow dsa_row() {
  return {12,    "dsa", StageRole::kSelect,
          1,     kRows, "DeepSeek-V3.2's indexer with random projections: approximate",
          create};
}

}  // namespace sluice::kernels
