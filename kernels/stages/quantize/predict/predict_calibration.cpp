// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/predict/predict_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "kernels/stages/quantize/waterfill/water_symbols.hpp"
#include "kernels/stages/transform/klt/klt_calibration.hpp"
#include "kernels/stages/transform/linear_algebra/cholesky.hpp"
#include "kernels/stages/transform/prefix/known_rows.hpp"

namespace sluice::kernels {
namespace {

// Sums of so many products are exact enough in FP32; they are added up in FP64.
constexpr std::int64_t kChunkRows = 512;
// Components narrower than an eighth of the step are practically always 0: how they are spread does
// not matter, and there are many.
constexpr int kSpreadClassFirst = 8;
// Of the widest feature's variance: narrower features are not blown up to 1.
constexpr double kFeatureLeast = 1e-6;

ConstMatrix part(const std::vector<float>& rows, std::int64_t columns, std::int64_t first,
                 std::int64_t count) {
  return {rows.data() + first * columns, count, columns, columns};
}
Matrix part(std::vector<float>& rows, std::int64_t columns, std::int64_t first,
            std::int64_t count) {
  return {rows.data() + first * columns, count, columns, columns};
}

template <class Body>
void each_chunk(std::int64_t rows, const Body& body) {
  for (std::int64_t first = 0; first < rows; first += kChunkRows) {
    body(first, std::min(kChunkRows, rows - first));
  }
}

// a' b of [rows][a_columns] and [rows][b_columns].
std::vector<double> cross_products(const std::vector<float>& a, std::int64_t a_columns,
                                   const std::vector<float>& b, std::int64_t b_columns) {
  const auto count = static_cast<std::size_t>(a_columns * b_columns);
  std::vector<double> sum(count, 0.0);
  std::vector<float> chunk(count);
  const std::int64_t rows =
      static_cast<std::int64_t>(a.size()) / std::max<std::int64_t>(a_columns, 1);
  each_chunk(rows, [&](std::int64_t first, std::int64_t some) {
    transposed_multiply(part(a, a_columns, first, some), part(b, b_columns, first, some),
                        part(chunk, b_columns, 0, a_columns));
    for (std::size_t i = 0; i < count; ++i) sum[i] += static_cast<double>(chunk[i]);
  });
  return sum;
}

Bf16 rounded(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
}

// One frame's layers, of all caches.
struct Group {
  explicit Group(std::int64_t tokens) : known(tokens) {}
  std::int64_t layer_first = 0;
  std::string tables;
  std::vector<std::vector<float>> blocks;  // [rows][width], in the end decoded less their mean
  std::vector<std::int32_t> positions;     // of the rows
  std::vector<float> steps;                // of the rows
  KnownRowsLearner known;
};

// Learns one group's tensors.
class GroupLearner {
 public:
  GroupLearner(const PredictLearning& learning, Group& group, std::int64_t width,
               ComponentSpread& spread)
      : learning_(learning),
        group_(group),
        width_(width),
        feature_count_(std::min(learning.settings.features, width)),
        spread_(spread) {}

  Status run(const Profile& profile, Profile& learnt) {
    // One cache alone tells nothing of what is the same in all.
    const std::int64_t known = group_.known.caches() > 1 ? group_.known.common() : 0;
    group_.known.finish(known, learnt);
    drop_known(known);
    if (rows() == 0) {
      return make_error(ErrorCode::kInvalidArgument,
                        "'predict' saw no rows to learn from but what every prompt begins with");
    }
    features_.resize(group_.blocks.size());
    for (std::size_t block = 0; block < group_.blocks.size(); ++block) {
      SLUICE_TRY(learn(static_cast<std::int64_t>(block), profile, learnt));
      forget(static_cast<std::int64_t>(block));
    }
    return {};
  }

 private:
  std::int64_t rows() const { return static_cast<std::int64_t>(group_.positions.size()); }
  std::string name(const char* what, std::int64_t block) const {
    return predict_tensor_name(group_.tables, what, block % 2 == 0, group_.layer_first + block / 2);
  }

  void drop_known(std::int64_t known) {
    std::size_t kept = 0;
    for (std::size_t row = 0; row < group_.positions.size(); ++row) {
      if (group_.positions[row] < known) continue;
      for (auto& block : group_.blocks) {
        const auto from = block.begin() + static_cast<std::ptrdiff_t>(row) * width_;
        std::copy_n(from, width_, block.begin() + static_cast<std::ptrdiff_t>(kept) * width_);
      }
      group_.positions[kept] = group_.positions[row];
      group_.steps[kept++] = group_.steps[row];
    }
    group_.positions.resize(kept);
    group_.steps.resize(kept);
    for (auto& block : group_.blocks) block.resize(kept * static_cast<std::size_t>(width_));
  }

  // The block's rows become residuals, then decoded rows; both less the mean.
  Status learn(std::int64_t block, const Profile& profile, Profile& learnt) {
    std::vector<float>& values = group_.blocks[static_cast<std::size_t>(block)];
    take_mean(block, values, learnt);
    std::vector<float> predicted(values.size(), 0.0F);
    const auto inputs = predict_inputs(block, learning_.settings.previous);
    if (!inputs.empty()) SLUICE_TRY(predict(block, inputs, predicted, learnt));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= predicted[i];
    std::vector<double> weight;
    if (learning_.parameters.choice("weight") == 1) {
      weight = SLUICE_TRY(weight_part(
          profile, profile_name("fisher", block % 2 == 0, group_.layer_first + block / 2),
          {0, width_, width_}, static_cast<double>(learning_.parameters.number("regularize"))));
    }
    const KltBasis basis = SLUICE_TRY(klt_basis(covariance(values), weight, width_));
    code(block, basis, values, learnt);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += predicted[i];
    return learn_features(block, std::move(weight), learnt);
  }

  void take_mean(std::int64_t block, std::vector<float>& values, Profile& learnt) {
    std::vector<double> sum(static_cast<std::size_t>(width_), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) sum[i % sum.size()] += values[i];
    std::vector<float> mean;
    for (const double value : sum) {
      mean.push_back(static_cast<float>(value / static_cast<double>(rows())));
    }
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= mean[i % mean.size()];
    put(learnt, name("mean", block), {width_}, mean);
  }

  // Ridge regression of the block's rows on the inputs' features.
  Status predict(std::int64_t block, const std::vector<std::int64_t>& inputs,
                 std::vector<float>& predicted, Profile& learnt) {
    const std::int64_t f = feature_count_;
    const std::int64_t n = f * static_cast<std::int64_t>(inputs.size());
    std::vector<double> gram(static_cast<std::size_t>(n * n));
    std::vector<double> right;
    for (std::size_t a = 0; a < inputs.size(); ++a) {
      for (std::size_t b = 0; b < inputs.size(); ++b) {
        const bool is_turned = inputs[a] > inputs[b];
        const auto& products =
            products_of(std::min(inputs[a], inputs[b]), std::max(inputs[a], inputs[b]));
        for (std::int64_t r = 0; r < f; ++r) {
          for (std::int64_t c = 0; c < f; ++c) {
            const std::int64_t at = is_turned ? c * f + r : r * f + c;
            gram[static_cast<std::size_t>((static_cast<std::int64_t>(a) * f + r) * n +
                                          static_cast<std::int64_t>(b) * f + c)] =
                products[static_cast<std::size_t>(at)];
          }
        }
      }
      const auto with = cross_products(features_[static_cast<std::size_t>(inputs[a])], f,
                                       group_.blocks[static_cast<std::size_t>(block)], width_);
      right.insert(right.end(), with.begin(), with.end());
    }
    const double ridge = static_cast<double>(learning_.parameters.number("ridge"));
    for (std::int64_t i = 0; i < n; ++i) {
      gram[static_cast<std::size_t>(i * n + i)] += ridge * static_cast<double>(rows());
    }
    if (!cholesky(gram, n)) {
      return make_error(ErrorCode::kInvalidArgument,
                        "'predict' cannot solve for its predictors: raise 'ridge'");
    }
    solve_factored(gram, n, right, width_);
    std::vector<Bf16> weights;
    weights.reserve(right.size());
    for (const double value : right) weights.push_back(rounded(value));
    for (std::size_t a = 0; a < inputs.size(); ++a) {
      const ConstMatrixBf16 factor{weights.data() + static_cast<std::int64_t>(a) * f * width_, f,
                                   width_, width_};
      each_chunk(rows(), [&](std::int64_t first, std::int64_t some) {
        multiply_add(
            part(std::as_const(features_[static_cast<std::size_t>(inputs[a])]), f, first, some),
            factor, part(predicted, width_, first, some));
      });
    }
    learnt.put(name("weight", block), DType::kBF16, {n, width_}, std::as_bytes(std::span(weights)));
    return {};
  }

  const std::vector<double>& products_of(std::int64_t a, std::int64_t b) {
    auto [found, is_new] = products_.try_emplace({a, b});
    if (is_new) {
      found->second = cross_products(features_[static_cast<std::size_t>(a)], feature_count_,
                                     features_[static_cast<std::size_t>(b)], feature_count_);
    }
    return found->second;
  }

  std::vector<double> covariance(const std::vector<float>& values) const {
    auto products = cross_products(values, width_, values, width_);
    for (double& value : products) value /= static_cast<double>(rows());
    return products;
  }

  // Residuals become what their quantized components stand for.
  void code(std::int64_t block, const KltBasis& basis, std::vector<float>& values,
            Profile& learnt) {
    std::vector<float> forward(basis.forward.size());
    std::vector<float> inverse(basis.inverse.size());
    for (std::int64_t r = 0; r < width_; ++r) {
      for (std::int64_t c = 0; c < width_; ++c) {
        const auto at = static_cast<std::size_t>(r * width_ + c);
        forward[static_cast<std::size_t>(c * width_ + r)] = static_cast<float>(basis.forward[at]);
        inverse[at] = static_cast<float>(basis.inverse[at]);
      }
    }
    const std::vector<float> variances(basis.variances.begin(), basis.variances.end());
    std::vector<float> components(static_cast<std::size_t>(kChunkRows * width_));
    const ConstMatrix forward_matrix = part(std::as_const(forward), width_, 0, width_);
    const ConstMatrix inverse_matrix = part(std::as_const(inverse), width_, 0, width_);
    each_chunk(rows(), [&](std::int64_t first, std::int64_t some) {
      const Matrix at = part(values, width_, first, some);
      const Matrix to = part(components, width_, 0, some);
      multiply(ConstMatrix(at), forward_matrix, to);
      for (std::int64_t row = 0; row < some; ++row) {
        quantize(group_.steps[static_cast<std::size_t>(first + row)], variances, to.row(row));
      }
      multiply(ConstMatrix(to), inverse_matrix, at);
    });
    put(learnt, name("forward", block), {width_, width_}, forward);
    put(learnt, name("inverse", block), {width_, width_}, inverse);
    put(learnt, name("variance", block), {width_}, variances);
  }

  // A row of components, seen by the spread, becomes its numbers times the step.
  void quantize(float step, const std::vector<float>& variances, float* row) {
    const float rounding = learning_.parameters.number("rounding");
    std::vector<std::int32_t> numbers(variances.size());
    water_numbers({row, variances.size()}, 1.0F / step, rounding, numbers.data());
    for (std::size_t i = 0; i < variances.size(); ++i) {
      if (deviation_class(variances[i], step) >= kSpreadClassFirst) {
        spread_.add(row[i] / std::sqrt(variances[i]));
      }
      row[i] = static_cast<float>(numbers[i]) * step;
    }
  }

  // What of the block's decoded rows predicts others: the widest components, made equally wide.
  Status learn_features(std::int64_t block, std::vector<double> weight, Profile& learnt) {
    const std::vector<float>& decoded = group_.blocks[static_cast<std::size_t>(block)];
    const KltBasis basis = SLUICE_TRY(klt_basis(covariance(decoded), std::move(weight), width_));
    const std::int64_t f = feature_count_;
    std::vector<Bf16> matrix(static_cast<std::size_t>(width_ * f));
    for (std::int64_t i = 0; i < f; ++i) {
      const double variance = std::max(basis.variances[static_cast<std::size_t>(i)],
                                       kFeatureLeast * basis.variances.front());
      const double scale = variance > 0 ? 1.0 / std::sqrt(variance) : 0.0;
      for (std::int64_t c = 0; c < width_; ++c) {
        matrix[static_cast<std::size_t>(c * f + i)] =
            rounded(scale * basis.forward[static_cast<std::size_t>(i * width_ + c)]);
      }
    }
    std::vector<float>& features = features_[static_cast<std::size_t>(block)];
    features.resize(static_cast<std::size_t>(rows() * f));
    each_chunk(rows(), [&](std::int64_t first, std::int64_t some) {
      multiply(part(decoded, width_, first, some), ConstMatrixBf16{matrix.data(), width_, f, f},
               part(features, f, first, some));
    });
    learnt.put(name("feature", block), DType::kBF16, {width_, f}, std::as_bytes(std::span(matrix)));
    return {};
  }

  // What no later block asks for.
  void forget(std::int64_t block) {
    group_.blocks[static_cast<std::size_t>(block)] = {};
    const std::int64_t oldest = 2 * ((block + 1) / 2 - learning_.settings.previous);
    for (std::int64_t old = 0; old < oldest; ++old) features_[static_cast<std::size_t>(old)] = {};
    std::erase_if(products_, [&](const auto& entry) { return entry.first.first < oldest; });
  }

  static void put(Profile& profile, const std::string& name, std::vector<std::int64_t> shape,
                  const std::vector<float>& values) {
    profile.put(name, DType::kF32, std::move(shape), std::as_bytes(std::span(values)));
  }

  const PredictLearning& learning_;
  Group& group_;
  std::int64_t width_;
  std::int64_t feature_count_;
  ComponentSpread& spread_;
  std::vector<std::vector<float>> features_;  // by block, [rows][features]
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<double>> products_;  // of features
};

class PredictCalibration final : public Calibration {
 public:
  explicit PredictCalibration(PredictLearning learning) : learning_(std::move(learning)) {}

  Status observe(const Plane& plane, ConstMatrix rows) override {
    SLUICE_TRY(check_predicted(plane, learning_.settings));
    if (rows.columns != plane.columns()) {
      return make_error(ErrorCode::kInvalidArgument,
                        "stage 'predict' must come before transforms that change the columns");
    }
    if (group_ != nullptr && group_->layer_first != plane.layer_first) {
      const Profile none;
      SLUICE_TRY(finish_group(plane.profile == nullptr ? none : *plane.profile));
    }
    if (group_ == nullptr) {
      width_ = plane.shape->kv_heads * plane.shape->head_dim;
      group_ = std::make_unique<Group>(learning_.parameters.integer("prefix_tokens"));
      group_->layer_first = plane.layer_first;
      group_->tables = plane.tables;
      group_->blocks.resize(static_cast<std::size_t>(2 * plane.layer_count));
    }
    const auto skipped = std::lower_bound(plane.positions.begin(), plane.positions.end(),
                                          learning_.parameters.integer("skip_tokens")) -
                         plane.positions.begin();
    for (std::size_t block = 0; block < group_->blocks.size(); ++block) {
      const auto at = static_cast<std::int64_t>(block);
      const ConstMatrix some{rows.data + at * width_, rows.rows, width_, rows.stride};
      group_->known.observe(predict_tensor_name(group_->tables, "known", block % 2 == 0,
                                                group_->layer_first + at / 2),
                            plane.positions, some);
      for (std::int64_t row = skipped; row < rows.rows; ++row) {
        group_->blocks[block].insert(group_->blocks[block].end(), some.row(row),
                                     some.row(row) + width_);
      }
    }
    group_->positions.insert(group_->positions.end(), plane.positions.begin() + skipped,
                             plane.positions.end());
    group_->steps.resize(group_->positions.size(),
                         WaterScale::of(learning_.parameters, plane.level).step);
    return {};
  }

  Status finish(Profile& profile) override {
    if (group_ != nullptr) SLUICE_TRY(finish_group(profile));
    for (const std::string& name : learnt_.names()) {
      const TensorView tensor = *learnt_.find(name);
      profile.put(name, tensor.dtype, {tensor.shape.begin(), tensor.shape.begin() + tensor.rank},
                  {tensor.data, tensor.bytes()});
    }
    return spread_.finish(tables_, learning_.parameters.number("rounding"), profile);
  }

 private:
  Status finish_group(const Profile& profile) {
    tables_ = group_->tables;
    SLUICE_TRY(GroupLearner(learning_, *group_, width_, spread_).run(profile, learnt_));
    group_.reset();
    return {};
  }

  PredictLearning learning_;
  std::int64_t width_ = 0;
  std::unique_ptr<Group> group_;
  std::string tables_;
  ComponentSpread spread_;
  Profile learnt_;
};

}  // namespace

std::unique_ptr<Calibration> calibrate_predict(PredictLearning learning) {
  return std::make_unique<PredictCalibration>(std::move(learning));
}

}  // namespace sluice::kernels
