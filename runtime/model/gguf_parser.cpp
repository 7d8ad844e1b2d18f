// SPDX-License-Identifier: Apache-2.0
// Format: ggml repository, docs/gguf.md (versions 2 and 3; they differ in byte order only).
#include "runtime/model/gguf_parser.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "runtime/model/ggml_type.hpp"
#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

enum ValueKind : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

constexpr std::uint64_t kAlignmentDefault = 32;
// A page of the largest kind in use; more would be a lie.
constexpr std::uint64_t kAlignmentMax = 1U << 21;
// The least a metadata entry (key length, kind, one byte) and a tensor entry (name length, rank,
// one dimension, type, offset) occupy: what a count can at most be in the bytes that are left.
constexpr std::uint64_t kMetadataEntryBytesMin = 8 + 4 + 1;
constexpr std::uint64_t kTensorEntryBytesMin = 8 + 4 + 8 + 4 + 8;
// Far above any vocabulary; keeps an array of one-byte elements, widened to eight, in bounds.
constexpr std::uint64_t kArrayElementsMax = std::uint64_t{1} << 26;

std::size_t kind_bytes(std::uint32_t kind) {
  switch (kind) {
    case kUint8:
    case kInt8:
    case kBool:
      return 1;
    case kUint16:
    case kInt16:
      return 2;
    case kUint32:
    case kInt32:
    case kFloat32:
      return 4;
    case kString:  // its length
    case kUint64:
    case kInt64:
    case kFloat64:
      return 8;
    default:
      return 0;
  }
}

class Parser {
 public:
  Parser(Bytes file, std::string_view name) : file_(file), name_(name) {}

  Result<GgufContents> parse() {
    const auto counts = SLUICE_TRY(parse_preamble());
    for (std::uint64_t i = 0; i < counts.metadata; ++i) SLUICE_TRY(parse_metadata());
    SLUICE_TRY(parse_alignment());
    for (std::uint64_t i = 0; i < counts.tensors; ++i) SLUICE_TRY(parse_tensor_entry());
    SLUICE_TRY(place_tensors());
    return std::move(contents_);
  }

 private:
  struct Counts {
    std::uint64_t tensors;
    std::uint64_t metadata;
  };
  struct Entry {
    std::string name;
    std::uint32_t type = 0;
    TensorView view;  // dtype and shape, when the type is one that is read
    std::uint64_t bytes = 0;
    std::uint64_t offset = 0;  // from the start of the data
  };

  Error corrupt(const std::string& what) const {
    return make_error(ErrorCode::kCorrupt, std::string(name_) + ": " + what);
  }
  Error unsupported(const std::string& what) const {
    return make_error(ErrorCode::kUnsupported, std::string(name_) + ": " + what);
  }
  std::size_t remaining() const { return file_.size() - position_; }

  template <class T>
  Result<T> read(const char* what) {
    if (remaining() < sizeof(T)) {
      return corrupt("the file ends at byte " + std::to_string(file_.size()) + ", inside " + what);
    }
    T value;
    std::memcpy(&value, file_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Result<std::string> read_string(const char* what) {
    const std::size_t start = position_;
    const auto length = SLUICE_TRY(read<std::uint64_t>(what));
    if (length > remaining()) {
      return corrupt(std::string(what) + " at byte " + std::to_string(start) + " claims " +
                     std::to_string(length) + " bytes, but only " + std::to_string(remaining()) +
                     " are left in the file");
    }
    std::string text(reinterpret_cast<const char*>(file_.data() + position_),
                     static_cast<std::size_t>(length));
    position_ += static_cast<std::size_t>(length);
    return text;
  }

  Result<Counts> parse_preamble() {
    if (file_.size() < 4 || std::memcmp(file_.data(), "GGUF", 4) != 0) {
      return corrupt("is not a GGUF file: it does not start with the letters GGUF");
    }
    position_ = 4;
    const auto version = SLUICE_TRY(read<std::uint32_t>("the version"));
    if ((version & 0xffffU) == 0 && version != 0) {
      return unsupported("is a big-endian GGUF file; only little-endian ones are read");
    }
    if (version != 2 && version != 3) {
      return unsupported("is a GGUF file of version " + std::to_string(version) +
                         "; versions 2 and 3 are read");
    }
    Counts counts{};
    counts.tensors = SLUICE_TRY(read<std::uint64_t>("the tensor count"));
    counts.metadata = SLUICE_TRY(read<std::uint64_t>("the metadata count"));
    if (counts.metadata > remaining() / kMetadataEntryBytesMin) {
      return corrupt("the header claims " + std::to_string(counts.metadata) +
                     " metadata entries, more than fit into the file");
    }
    if (counts.tensors > remaining() / kTensorEntryBytesMin) {
      return corrupt("the header claims " + std::to_string(counts.tensors) +
                     " tensors, more than fit into the file");
    }
    return counts;
  }

  Status parse_metadata() {
    const std::size_t start = position_;
    auto key = SLUICE_TRY(read_string("the metadata key"));
    const auto kind = SLUICE_TRY(read<std::uint32_t>("the kind of a metadata entry"));
    auto value = SLUICE_TRY(kind == kArray ? parse_array(key) : parse_scalar(kind, key));
    const auto [place, is_new] = contents_.metadata.emplace(std::move(key), std::move(value));
    if (!is_new) {
      return corrupt("the metadata key " + printable(place->first) +
                     " appears twice, again at byte " + std::to_string(start));
    }
    return {};
  }

  Result<GgufValue> parse_scalar(std::uint32_t kind, std::string_view key) {
    constexpr const char* kWhat = "a metadata value";
    switch (kind) {
      case kUint8:
        return GgufValue(std::uint64_t{SLUICE_TRY(read<std::uint8_t>(kWhat))});
      case kUint16:
        return GgufValue(std::uint64_t{SLUICE_TRY(read<std::uint16_t>(kWhat))});
      case kUint32:
        return GgufValue(std::uint64_t{SLUICE_TRY(read<std::uint32_t>(kWhat))});
      case kUint64:
        return GgufValue(SLUICE_TRY(read<std::uint64_t>(kWhat)));
      case kInt8:
        return GgufValue(std::int64_t{SLUICE_TRY(read<std::int8_t>(kWhat))});
      case kInt16:
        return GgufValue(std::int64_t{SLUICE_TRY(read<std::int16_t>(kWhat))});
      case kInt32:
        return GgufValue(std::int64_t{SLUICE_TRY(read<std::int32_t>(kWhat))});
      case kInt64:
        return GgufValue(SLUICE_TRY(read<std::int64_t>(kWhat)));
      case kFloat32:
        return GgufValue(static_cast<double>(SLUICE_TRY(read<float>(kWhat))));
      case kFloat64:
        return GgufValue(SLUICE_TRY(read<double>(kWhat)));
      case kBool:
        return GgufValue(SLUICE_TRY(read<std::uint8_t>(kWhat)) != 0);
      case kString:
        return GgufValue(SLUICE_TRY(read_string("a metadata string")));
      default:
        return corrupt("the metadata key " + printable(key) + " has the unknown kind " +
                       std::to_string(kind) + " (at byte " + std::to_string(position_ - 4) + ")");
    }
  }

  Result<GgufValue> parse_array(std::string_view key) {
    const std::size_t start = position_;
    const auto kind = SLUICE_TRY(read<std::uint32_t>("the element kind of an array"));
    const auto count = SLUICE_TRY(read<std::uint64_t>("the length of an array"));
    if (kind == kArray) {
      return unsupported("the metadata key " + printable(key) +
                         " is an array of arrays, which is not read here");
    }
    const std::size_t element_bytes = kind_bytes(kind);
    if (element_bytes == 0) {
      return corrupt("the array " + printable(key) + " at byte " + std::to_string(start) +
                     " has elements of the unknown kind " + std::to_string(kind));
    }
    if (count > remaining() / element_bytes || count > kArrayElementsMax) {
      return corrupt("the array " + printable(key) + " at byte " + std::to_string(start) +
                     " claims " + std::to_string(count) + " elements, more than fit into the file");
    }
    if (kind == kString) return parse_strings(count);
    if (kind == kFloat32 || kind == kFloat64) return parse_numbers(kind, count);
    return parse_integers(kind, count, key);
  }

  Result<GgufValue> parse_strings(std::uint64_t count) {
    std::vector<std::string> values;
    values.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(SLUICE_TRY(read_string("a string of an array")));
    }
    return GgufValue(std::move(values));
  }

  Result<GgufValue> parse_numbers(std::uint32_t kind, std::uint64_t count) {
    std::vector<double> values;
    values.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(std::get<double>(SLUICE_TRY(parse_scalar(kind, {}))));
    }
    return GgufValue(std::move(values));
  }

  Result<GgufValue> parse_integers(std::uint32_t kind, std::uint64_t count, std::string_view key) {
    std::vector<std::int64_t> values;
    values.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto value = SLUICE_TRY(parse_scalar(kind, {}));
      if (const auto* wide = std::get_if<std::uint64_t>(&value)) {
        if (*wide > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
          return corrupt("the array " + printable(key) + " holds " + std::to_string(*wide) +
                         ", which is out of range");
        }
        values.push_back(static_cast<std::int64_t>(*wide));
      } else if (const auto* flag = std::get_if<bool>(&value)) {
        values.push_back(*flag ? 1 : 0);
      } else {
        values.push_back(std::get<std::int64_t>(value));
      }
    }
    return GgufValue(std::move(values));
  }

  Status parse_alignment() {
    const auto found = contents_.metadata.find("general.alignment");
    if (found == contents_.metadata.end()) return {};
    const auto* value = std::get_if<std::uint64_t>(&found->second);
    // The format asks for a multiple of 8; readers and writers agree on powers of two.
    if (value == nullptr || *value < 8 || *value > kAlignmentMax || (*value & (*value - 1)) != 0) {
      return corrupt("general.alignment is not a power of two from 8 to " +
                     std::to_string(kAlignmentMax));
    }
    alignment_ = *value;
    return {};
  }

  Status parse_tensor_entry() {
    const std::size_t start = position_;
    Entry entry;
    entry.name = SLUICE_TRY(read_string("a tensor's name"));
    const auto rank = SLUICE_TRY(read<std::uint32_t>("a tensor's rank"));
    if (rank == 0 || rank > kTensorRankMax) {
      return corrupt("tensor " + printable(entry.name) + " at byte " + std::to_string(start) +
                     " claims " + std::to_string(rank) + " dimensions; 1 to " +
                     std::to_string(kTensorRankMax) + " are possible");
    }
    entry.view.rank = static_cast<int>(rank);
    for (std::uint32_t axis = 0; axis < rank; ++axis) {
      const auto extent = SLUICE_TRY(read<std::uint64_t>("a tensor's shape"));
      if (extent == 0 || extent > static_cast<std::uint64_t>(INT64_MAX)) {
        return corrupt("tensor " + printable(entry.name) + " at byte " + std::to_string(start) +
                       " has the impossible dimension " + std::to_string(extent));
      }
      // The file's first dimension varies fastest; ours is the last.
      entry.view.shape[rank - 1 - axis] = static_cast<std::int64_t>(extent);
    }
    entry.type = SLUICE_TRY(read<std::uint32_t>("a tensor's type"));
    entry.offset = SLUICE_TRY(read<std::uint64_t>("a tensor's offset"));
    SLUICE_TRY(size_entry(entry));
    entries_.push_back(std::move(entry));
    return {};
  }

  // Fills in dtype and bytes. The product is bounded by the file's size (no element is smaller
  // than half a byte), so it cannot overflow unnoticed.
  Status size_entry(Entry& entry) const {
    const std::uint64_t elements_max = std::uint64_t{file_.size()} * 2;
    std::uint64_t elements = 1;
    for (int axis = 0; axis < entry.view.rank; ++axis) {
      const auto extent =
          static_cast<std::uint64_t>(entry.view.shape[static_cast<std::size_t>(axis)]);
      if (extent > std::numeric_limits<std::uint64_t>::max() / elements) {
        return corrupt("the dimensions of tensor " + printable(entry.name) + " overflow");
      }
      elements *= extent;
    }
    const auto dtype = dtype_from_ggml(entry.type);
    if (!dtype) return {};
    if (elements > elements_max) {
      return corrupt("tensor " + printable(entry.name) + " claims " + std::to_string(elements) +
                     " elements, more than a file of " + std::to_string(file_.size()) +
                     " bytes can hold");
    }
    entry.view.dtype = *dtype;
    const auto row =
        static_cast<std::uint64_t>(entry.view.shape[static_cast<std::size_t>(entry.view.rank - 1)]);
    if (row % dtype_block_elements(*dtype) != 0) {
      return corrupt("tensor " + printable(entry.name) + " has rows of " + std::to_string(row) +
                     " elements, which is not a whole number of " + dtype_name(*dtype) + " blocks");
    }
    entry.bytes = elements / dtype_block_elements(*dtype) * dtype_block_bytes(*dtype);
    return {};
  }

  // Checks every tensor's place in the data and publishes it.
  Status place_tensors() {
    const std::uint64_t start = (position_ + alignment_ - 1) / alignment_ * alignment_;
    const std::uint64_t data_bytes = start <= file_.size() ? file_.size() - start : 0;
    for (auto& entry : entries_) {
      if (entry.offset % alignment_ != 0) {
        return corrupt("tensor " + printable(entry.name) + " has the offset " +
                       std::to_string(entry.offset) + ", which is not a multiple of " +
                       std::to_string(alignment_));
      }
      if (entry.offset > data_bytes || entry.bytes > data_bytes - entry.offset) {
        return corrupt("tensor " + printable(entry.name) + " (offset " +
                       std::to_string(entry.offset) + ", " + std::to_string(entry.bytes) +
                       " bytes) reaches past the end of the file, which has " +
                       std::to_string(data_bytes) + " bytes of data: it is truncated or damaged");
      }
      GgufTensor tensor{entry.type, std::nullopt};
      if (dtype_from_ggml(entry.type)) {
        entry.view.data = file_.data() + start + entry.offset;
        tensor.view = entry.view;
      }
      if (!contents_.tensors.emplace(entry.name, tensor).second) {
        return corrupt("the tensor " + printable(entry.name) + " appears twice");
      }
      contents_.tensor_names.push_back(entry.name);
    }
    return check_overlap();
  }

  Status check_overlap() {
    std::sort(entries_.begin(), entries_.end(),
              [](const Entry& a, const Entry& b) { return a.offset < b.offset; });
    for (std::size_t i = 1; i < entries_.size(); ++i) {
      const Entry& before = entries_[i - 1];
      if (before.offset + before.bytes > entries_[i].offset) {
        return corrupt("the tensors " + printable(before.name) + " and " +
                       printable(entries_[i].name) + " overlap at offset " +
                       std::to_string(entries_[i].offset));
      }
    }
    return {};
  }

  Bytes file_;
  std::string_view name_;
  std::size_t position_ = 0;
  std::uint64_t alignment_ = kAlignmentDefault;
  std::vector<Entry> entries_;
  GgufContents contents_;
};

}  // namespace

Result<GgufContents> parse_gguf(Bytes file, std::string_view name) {
  return Parser(file, name).parse();
}

}  // namespace sluice::runtime
