// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/gguf_file.hpp"

#include <limits>
#include <utility>

#include "runtime/model/ggml_type.hpp"
#include "runtime/model/gguf_parser.hpp"
#include "runtime/model/mapped_file.hpp"
#include "runtime/model/printable.hpp"

namespace sluice::runtime {
namespace {

class MappedGguf final : public GgufFile {
 public:
  MappedGguf(std::string name, MappedFile file, GgufContents contents)
      : name_(std::move(name)), file_(std::move(file)), contents_(std::move(contents)) {}

  const GgufValue* find(std::string_view key) const override {
    const auto found = contents_.metadata.find(key);
    return found != contents_.metadata.end() ? &found->second : nullptr;
  }

  Result<std::int64_t> integer(std::string_view key) const override {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key);
    if (const auto* natural = std::get_if<std::uint64_t>(value)) {
      if (*natural > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return make_error(ErrorCode::kCorrupt, name_ + ": the metadata key " + printable(key) +
                                                   " is out of range: " + std::to_string(*natural));
      }
      return static_cast<std::int64_t>(*natural);
    }
    if (const auto* whole = std::get_if<std::int64_t>(value)) return *whole;
    return wrong_kind(key, "an integer");
  }

  Result<double> number(std::string_view key) const override {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key);
    if (const auto* real = std::get_if<double>(value)) return *real;
    if (const auto* natural = std::get_if<std::uint64_t>(value)) {
      return static_cast<double>(*natural);
    }
    if (const auto* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
    return wrong_kind(key, "a number");
  }

  Result<std::string> text(std::string_view key) const override {
    const GgufValue* value = find(key);
    if (value == nullptr) return missing(key);
    if (const auto* string = std::get_if<std::string>(value)) return *string;
    return wrong_kind(key, "a string");
  }

  std::optional<TensorView> tensor(std::string_view name) const override {
    const auto found = contents_.tensors.find(name);
    return found != contents_.tensors.end() ? found->second.view : std::nullopt;
  }

  std::optional<std::string> unread_type(std::string_view name) const override {
    const auto found = contents_.tensors.find(name);
    if (found == contents_.tensors.end() || found->second.view) return std::nullopt;
    return ggml_type_name(found->second.type);
  }

  std::vector<std::string> tensor_names() const override { return contents_.tensor_names; }

 private:
  Error missing(std::string_view key) const {
    return make_error(ErrorCode::kNotFound, name_ + ": has no metadata key " + printable(key));
  }
  Error wrong_kind(std::string_view key, const char* wanted) const {
    return make_error(ErrorCode::kCorrupt,
                      name_ + ": the metadata key " + printable(key) + " is not " + wanted);
  }

  std::string name_;
  MappedFile file_;
  GgufContents contents_;
};

}  // namespace

Result<std::unique_ptr<GgufFile>> GgufFile::open(const std::filesystem::path& path) {
  auto file = SLUICE_TRY(MappedFile::open(path));
  auto contents = SLUICE_TRY(parse_gguf(file.bytes(), path.string()));
  return std::unique_ptr<GgufFile>(
      std::make_unique<MappedGguf>(path.string(), std::move(file), std::move(contents)));
}

}  // namespace sluice::runtime
