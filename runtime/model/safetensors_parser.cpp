// SPDX-License-Identifier: Apache-2.0
// Format: Hugging Face safetensors, README, section "Format".
#include "runtime/model/safetensors_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "runtime/model/json_reader.hpp"
#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

// No tensor in use has more dimensions; more would be an attempt to use memory up.
constexpr std::size_t kRankMax = 8;

struct TypeRow {
  std::string_view name;
  std::size_t bits;
  std::optional<DType> dtype;
};

// Every type whose size is known, so that a file with some of another kind is checked as a whole.
constexpr TypeRow kTypes[] = {
    {"F32", 32, DType::kF32},  {"F16", 16, DType::kF16},     {"BF16", 16, DType::kBF16},
    {"F64", 64, std::nullopt}, {"I64", 64, std::nullopt},    {"I32", 32, DType::kI32},
    {"I16", 16, std::nullopt}, {"I8", 8, std::nullopt},      {"U64", 64, std::nullopt},
    {"U32", 32, std::nullopt}, {"U16", 16, std::nullopt},    {"U8", 8, DType::kU8},
    {"BOOL", 8, std::nullopt}, {"F8_E4M3", 8, std::nullopt}, {"F8_E5M2", 8, std::nullopt},
};

const TypeRow* find_type(std::string_view name) {
  for (const auto& row : kTypes) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// One tensor of the header while its members arrive.
struct Entry {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

struct Extent {
  std::uint64_t begin;
  std::uint64_t end;
  std::string_view name;  // a key of the contents
};

class HeaderReader {
 public:
  HeaderReader(Bytes data, std::string_view name) : data_(data), name_(name) {}

  Status visit(const JsonPath& path, const JsonValue& value) {
    if (path.empty()) {
      return std::holds_alternative<JsonObject>(value)
                 ? Status()
                 : Status(corrupt("the header is not a JSON object"));
    }
    if (path.front() == "__metadata__") return {};  // free text for people
    if (path.size() == 1) return begin_tensor(path.front(), value);
    if (path.size() == 2) return member(path[1], value);
    if (path.size() == 3 && path[2] == kJsonElement) return element(path[1], value);
    return {};
  }

  Result<SafetensorsContents> finish() {
    SLUICE_TRY(end_tensor());
    SLUICE_TRY(check_overlap());
    return std::move(contents_);
  }

 private:
  Error corrupt(const std::string& what) const {
    return make_error(ErrorCode::kCorrupt, std::string(name_) + ": " + what);
  }
  Error bad_tensor(const std::string& what) const {
    return corrupt("tensor " + printable(entry_->name) + " " + what);
  }

  Status begin_tensor(const std::string& tensor, const JsonValue& value) {
    SLUICE_TRY(end_tensor());
    if (!std::holds_alternative<JsonObject>(value)) {
      return corrupt("the header's entry " + printable(tensor) + " is not an object");
    }
    entry_ = Entry{tensor, {}, {}, {}};
    return {};
  }

  Status member(const std::string& key, const JsonValue& value) {
    if (key == "dtype") {
      const auto* type = std::get_if<std::string>(&value);
      if (type == nullptr || entry_->type)
        return bad_tensor("has a 'dtype' that is not one string");
      entry_->type = *type;
    } else if (key == "shape" || key == "data_offsets") {
      auto& list = key == "shape" ? entry_->shape : entry_->offsets;
      if (!std::holds_alternative<JsonArray>(value) || list) {
        return bad_tensor("has a " + printable(key) + " that is not one array");
      }
      list.emplace();
    }
    return {};
  }

  Status element(const std::string& key, const JsonValue& value) {
    if (key != "shape" && key != "data_offsets") return {};
    auto& list = key == "shape" ? entry_->shape : entry_->offsets;
    const auto* number = std::get_if<std::int64_t>(&value);
    if (!list || number == nullptr || *number < 0) {
      return bad_tensor("has a " + printable(key) + " that holds something else than sizes");
    }
    if (list->size() == kRankMax)
      return bad_tensor("has a " + printable(key) + " that is too long");
    list->push_back(static_cast<std::uint64_t>(*number));
    return {};
  }

  // Checks the entry that is complete now and publishes it.
  Status end_tensor() {
    if (!entry_) return {};
    if (!entry_->type || !entry_->shape || !entry_->offsets) {
      return bad_tensor("lacks its dtype, shape or data_offsets");
    }
    if (entry_->offsets->size() != 2) return bad_tensor("has data_offsets that are not a pair");
    const std::uint64_t begin = entry_->offsets->front();
    const std::uint64_t end = entry_->offsets->back();
    if (begin > end) return bad_tensor("ends before it begins");
    if (end > data_.size()) {
      return bad_tensor("ends at byte " + std::to_string(end) + " of the data, but the file has " +
                        std::to_string(data_.size()) + ": it is truncated or damaged");
    }
    SLUICE_TRY(check_size(end - begin));
    auto tensor = SLUICE_TRY(make_tensor(begin));
    const auto [place, is_new] = contents_.emplace(std::move(entry_->name), std::move(tensor));
    if (!is_new) return corrupt("the tensor " + printable(place->first) + " appears twice");
    extents_.push_back({begin, end, place->first});
    entry_.reset();
    return {};
  }

  Status check_size(std::uint64_t bytes) const {
    const auto* type = find_type(*entry_->type);
    if (type == nullptr) return {};  // of unknown size; refused when it is needed
    std::uint64_t bits = type->bits;
    for (const std::uint64_t extent : *entry_->shape) {
      if (extent != 0 && bits > std::numeric_limits<std::uint64_t>::max() / extent) {
        return bad_tensor("has dimensions that overflow");
      }
      bits *= extent;
    }
    if (bits / 8 == bytes) return {};
    return bad_tensor("has " + std::to_string(bytes) + " bytes of data, but its shape and type " +
                      printable(*entry_->type) + " want " + std::to_string(bits / 8));
  }

  Result<SafetensorsTensor> make_tensor(std::uint64_t begin) const {
    SafetensorsTensor tensor{*entry_->type, std::nullopt};
    const auto& shape = *entry_->shape;
    const auto* type = find_type(tensor.type);
    if (type == nullptr || !type->dtype) return tensor;
    if (shape.size() > kTensorRankMax) {
      tensor.type += " of " + std::to_string(shape.size()) + " dimensions";
      return tensor;
    }
    TensorView view;
    view.data = data_.data() + begin;
    view.dtype = *type->dtype;
    view.rank = static_cast<int>(shape.size());
    std::transform(shape.begin(), shape.end(), view.shape.begin(),
                   [](std::uint64_t extent) { return static_cast<std::int64_t>(extent); });
    if (reinterpret_cast<std::uintptr_t>(view.data) % (type->bits / 8) != 0) {
      return make_error(ErrorCode::kUnsupported,
                        std::string(name_) + ": the data of tensor " + printable(entry_->name) +
                            " is not aligned to its elements; saving the file again with a current "
                            "version of safetensors mends it");
    }
    tensor.view = view;
    return tensor;
  }

  Status check_overlap() {
    std::sort(extents_.begin(), extents_.end(), [](const Extent& a, const Extent& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    for (std::size_t i = 1; i < extents_.size(); ++i) {
      if (extents_[i - 1].end <= extents_[i].begin) continue;
      return corrupt("the tensors " + printable(extents_[i - 1].name) + " and " +
                     printable(extents_[i].name) + " overlap");
    }
    return {};
  }

  Bytes data_;
  std::string_view name_;
  std::optional<Entry> entry_;
  std::vector<Extent> extents_;
  SafetensorsContents contents_;
};

}  // namespace

Result<SafetensorsContents> parse_safetensors(Bytes file, std::string_view name) {
  std::uint64_t header_bytes = 0;
  const auto corrupt = [&](const std::string& what) {
    return make_error(ErrorCode::kCorrupt, std::string(name) + ": " + what);
  };
  if (file.size() < sizeof(header_bytes)) {
    return corrupt("is no safetensors file: it has only " + std::to_string(file.size()) + " bytes");
  }
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  if (header_bytes >= kSafetensorsHeaderBytesMax) {
    return corrupt("the safetensors header claims " + std::to_string(header_bytes) +
                   " bytes; less than " + std::to_string(kSafetensorsHeaderBytesMax) +
                   " are allowed");
  }
  const Bytes rest = file.subspan(sizeof(header_bytes));
  if (header_bytes > rest.size()) {
    return corrupt("the safetensors header claims " + std::to_string(header_bytes) +
                   " bytes, but the file has only " + std::to_string(rest.size()) +
                   " after its length: it is truncated or damaged");
  }
  HeaderReader reader(rest.subspan(static_cast<std::size_t>(header_bytes)), name);
  SLUICE_TRY(read_json(
      rest.first(static_cast<std::size_t>(header_bytes)),
      std::string(name) + ": the safetensors header",
      [&](const JsonPath& path, const JsonValue& value) { return reader.visit(path, value); }));
  return reader.finish();
}

}  // namespace sluice::runtime
