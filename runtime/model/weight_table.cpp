// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/weight_table.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

constexpr std::string_view kLayerMark = "{}";

bool is_per_layer(std::string_view pattern) {
  return pattern.find(kLayerMark) != std::string_view::npos;
}

std::string tensor_name(std::string_view pattern, std::int64_t layer) {
  std::string name(pattern);
  const auto mark = name.find(kLayerMark);
  if (mark != std::string::npos) name.replace(mark, kLayerMark.size(), std::to_string(layer));
  return name;
}

std::string shape_text(const std::int64_t* shape, std::size_t rank) {
  std::string text = "[";
  for (std::size_t axis = 0; axis < rank; ++axis) {
    text += (axis > 0 ? ", " : "") + std::to_string(shape[axis]);
  }
  return text + "]";
}

bool is_plain_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

bool is_zero(const TensorView& view) {
  // A negative zero is zero too; a bias is small, so one element after another will do.
  for (std::int64_t i = 0; i < view.elements(); ++i) {
    const bool zero = view.dtype == DType::kF32 ? view.as<float>()[i] == 0.0F
                                                : (view.as<std::uint16_t>()[i] & 0x7fffU) == 0;
    if (!zero) return false;
  }
  return true;
}

// Binds the rows of one model, and remembers which tensors they took.
class Binder {
 public:
  Binder(const TensorSource& tensors, const ModelSpec& spec, NameStyle style,
         const std::string& name)
      : tensors_(tensors), spec_(spec), style_(style), name_(name) {}

  Status bind(const WeightRow& row, std::map<WeightTable::Place, TensorView>& views) {
    const auto pattern = style_ == NameStyle::kGguf ? row.gguf_name : row.hf_name;
    if (pattern.empty()) return {};
    const std::int64_t layers = is_per_layer(pattern) ? spec_.layers : 1;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const std::string found = present_name(row, pattern, layer);
      if (!found.empty()) {
        SLUICE_TRY(take(row, found, {row.role, layer}, views));
      } else if (is_required(row)) {
        return make_error(
            ErrorCode::kNotFound,
            name_ + ": the tensor " + printable(tensor_name(pattern, layer)) + " is missing");
      }
    }
    return {};
  }

  Status check_rest() const {
    for (const auto& tensor : tensors_.tensor_names()) {
      if (taken_.contains(tensor)) continue;
      return make_error(ErrorCode::kUnsupported,
                        name_ + ": the tensor " + printable(tensor) +
                            " has no use in this architecture with these settings; ignoring it "
                            "could give wrong answers");
    }
    return {};
  }

 private:
  bool is_there(const std::string& name) const {
    return tensors_.tensor(name).has_value() || tensors_.unread_type(name).has_value();
  }

  std::string present_name(const WeightRow& row, std::string_view pattern,
                           std::int64_t layer) const {
    if (row.presence == Presence::kWithBias && !spec_.attention_bias) return {};
    std::string name = tensor_name(pattern, layer);
    if (is_there(name)) return name;
    if (style_ == NameStyle::kGguf || row.hf_old_name.empty()) return {};
    name = tensor_name(row.hf_old_name, layer);
    return is_there(name) ? name : std::string();
  }

  bool is_required(const WeightRow& row) const {
    switch (row.presence) {
      case Presence::kAlways:
        return true;
      case Presence::kUnlessTied:
        return !spec_.tied_embeddings;
      case Presence::kWithBias:
        return spec_.attention_bias;
      default:
        return false;
    }
  }

  Status take(const WeightRow& row, const std::string& tensor, WeightTable::Place place,
              std::map<WeightTable::Place, TensorView>& views) {
    taken_.insert(tensor);
    if (row.presence == Presence::kIgnored) return {};
    // Tied means that the embedding is used even where a copy of it is stored.
    if (row.presence == Presence::kUnlessTied && spec_.tied_embeddings) return {};
    const auto view = tensors_.tensor(tensor);
    if (!view) {
      return make_error(ErrorCode::kUnsupported, name_ + ": the tensor " + printable(tensor) +
                                                     " has the type " +
                                                     tensors_.unread_type(tensor).value_or("?") +
                                                     ", which is not supported");
    }
    if (row.presence == Presence::kOnlyZero) return check_zero(tensor, *view);
    SLUICE_TRY(check_view(row, tensor, *view));
    views.emplace(place, *view);
    return {};
  }

  Status check_zero(const std::string& tensor, const TensorView& view) const {
    if (is_plain_float(view.dtype) && is_zero(view)) return {};
    return make_error(ErrorCode::kUnsupported,
                      name_ + ": the tensor " + printable(tensor) +
                          " is a bias that is not supported in this place (and it is not zero)");
  }

  Status check_view(const WeightRow& row, const std::string& tensor, const TensorView& view) const {
    const auto wanted = row.shape(spec_);
    const auto rank = static_cast<std::size_t>(view.rank);
    if (!std::equal(wanted.begin(), wanted.end(), view.shape.begin(), view.shape.begin() + rank)) {
      return make_error(ErrorCode::kCorrupt, name_ + ": the tensor " + printable(tensor) +
                                                 " has the shape " +
                                                 shape_text(view.shape.data(), rank) +
                                                 ", but the model's settings want " +
                                                 shape_text(wanted.data(), wanted.size()));
    }
    const bool must_be_f32 = row.role == WeightRole::kRopeFactors;
    const bool is_integer = view.dtype == DType::kI32 || view.dtype == DType::kU8;
    if (must_be_f32 ? view.dtype != DType::kF32
                    : is_integer || (wanted.size() == 1 && !is_plain_float(view.dtype))) {
      return make_error(ErrorCode::kUnsupported, name_ + ": the tensor " + printable(tensor) +
                                                     " has the type " + dtype_name(view.dtype) +
                                                     ", which is not supported for it");
    }
    return {};
  }

  const TensorSource& tensors_;
  const ModelSpec& spec_;
  NameStyle style_;
  const std::string& name_;
  std::set<std::string, std::less<>> taken_;
};

}  // namespace

Result<WeightTable> WeightTable::bind(const TensorSource& tensors, const Architecture& architecture,
                                      const ModelSpec& spec, NameStyle style,
                                      const std::string& name) {
  WeightTable table;
  Binder binder(tensors, spec, style, name);
  for (const auto& row : architecture.weights) SLUICE_TRY(binder.bind(row, table.views_));
  SLUICE_TRY(binder.check_rest());
  const auto embedding = table.find(WeightRole::kTokenEmbedding, 0);
  if (embedding && spec.tied_embeddings) {
    table.views_.emplace(Place{WeightRole::kOutput, 0}, *embedding);
  }
  return table;
}

std::optional<TensorView> WeightTable::find(WeightRole role, std::int64_t layer) const {
  const auto found = views_.find(Place{role, layer});
  return found != views_.end() ? std::optional(found->second) : std::nullopt;
}

}  // namespace sluice::runtime
