// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/safetensors_file.hpp"

#include <functional>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/model/json_reader.hpp"
#include "runtime/model/mapped_file.hpp"
#include "runtime/model/printable.hpp"
#include "runtime/model/safetensors_parser.hpp"

namespace sluice::runtime {
namespace {

constexpr const char* kSingleName = "model.safetensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
// The index of the largest models has some megabytes.
constexpr std::size_t kIndexBytesMax = std::size_t{64} << 20;

// Tensor name -> shard's file name.
using WeightMap = std::map<std::string, std::string, std::less<>>;

class MappedSafetensors final : public SafetensorsFile {
 public:
  Status add(const std::filesystem::path& path) {
    auto file = SLUICE_TRY(MappedFile::open(path));
    auto contents = SLUICE_TRY(parse_safetensors(file.bytes(), path.string()));
    files_.push_back(std::move(file));
    tensors_.merge(contents);
    if (contents.empty()) return {};
    return make_error(ErrorCode::kCorrupt, path.string() + ": the tensor " +
                                               printable(contents.begin()->first) +
                                               " is in another shard too");
  }

  std::optional<TensorView> tensor(std::string_view name) const override {
    const auto found = tensors_.find(name);
    return found != tensors_.end() ? found->second.view : std::nullopt;
  }
  std::optional<std::string> unread_type(std::string_view name) const override {
    const auto found = tensors_.find(name);
    if (found == tensors_.end() || found->second.view) return std::nullopt;
    return found->second.type;
  }
  std::vector<std::string> tensor_names() const override {
    std::vector<std::string> names;
    names.reserve(tensors_.size());
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }
  bool contains(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

 private:
  std::vector<MappedFile> files_;
  SafetensorsContents tensors_;
};

Result<WeightMap> read_index(const std::filesystem::path& path) {
  const std::string name = path.string();
  const auto file = SLUICE_TRY(MappedFile::open(path));
  if (file.bytes().size() > kIndexBytesMax) {
    return make_error(ErrorCode::kCorrupt, name + ": is larger than an index of shards can be");
  }
  WeightMap map;
  SLUICE_TRY(read_json(
      file.bytes(), name, [&](const JsonPath& json_path, const JsonValue& value) -> Status {
        if (json_path.size() != 2 || json_path[0] != "weight_map") return {};
        const auto* shard = std::get_if<std::string>(&value);
        // A plain name: the index must not reach files elsewhere.
        if (shard == nullptr || shard->empty() || shard->find('/') != std::string::npos ||
            *shard == "." || *shard == "..") {
          return make_error(ErrorCode::kCorrupt, name + ": the shard of tensor " +
                                                     printable(json_path[1]) +
                                                     " is not a plain file name");
        }
        if (map.emplace(json_path[1], *shard).second) return {};
        return make_error(ErrorCode::kCorrupt,
                          name + ": the tensor " + printable(json_path[1]) + " appears twice");
      }));
  if (!map.empty()) return map;
  return make_error(ErrorCode::kCorrupt, name + ": has no 'weight_map' that names shards");
}

Result<std::unique_ptr<SafetensorsFile>> open_shards(const std::filesystem::path& folder) {
  const auto map = SLUICE_TRY(read_index(folder / kIndexName));
  std::map<std::string, bool> opened;
  auto shards = std::make_unique<MappedSafetensors>();
  for (const auto& [tensor, shard] : map) {
    if (opened.emplace(shard, true).second) SLUICE_TRY(shards->add(folder / shard));
  }
  for (const auto& [tensor, shard] : map) {
    if (shards->contains(tensor)) continue;
    return make_error(ErrorCode::kCorrupt, (folder / kIndexName).string() + ": the tensor " +
                                               printable(tensor) + " is not in its shard " +
                                               printable(shard));
  }
  return std::unique_ptr<SafetensorsFile>(std::move(shards));
}

}  // namespace

Result<std::unique_ptr<SafetensorsFile>> SafetensorsFile::open(const std::filesystem::path& path) {
  auto file = std::make_unique<MappedSafetensors>();
  SLUICE_TRY(file->add(path));
  return std::unique_ptr<SafetensorsFile>(std::move(file));
}

Result<std::unique_ptr<SafetensorsFile>> SafetensorsFile::open_folder(
    const std::filesystem::path& folder) {
  std::error_code ignored;  // what cannot be looked at counts as absent; opening says why
  if (std::filesystem::exists(folder / kSingleName, ignored)) return open(folder / kSingleName);
  if (std::filesystem::exists(folder / kIndexName, ignored)) return open_shards(folder);
  std::string message = folder.string() + ": has neither " + kSingleName + " nor " + kIndexName;
  if (std::filesystem::exists(folder / "pytorch_model.bin", ignored) ||
      std::filesystem::exists(folder / "pytorch_model.bin.index.json", ignored)) {
    message += "; its weights are in the pickle format, which is not read here";
  }
  return make_error(ErrorCode::kNotFound, std::move(message));
}

}  // namespace sluice::runtime
