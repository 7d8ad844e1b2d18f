// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/rans/rans.hpp"

#include <cstring>
#include <memory>
#include <utility>

#include "kernels/stages/entropy/plane_coder.hpp"
#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/rans/rans_queue.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"

namespace sluice::kernels {
namespace {

constexpr const char* kName = "rans";

// The blocks of coded bytes.
struct ReadWords {
  std::vector<std::uint16_t> padded;  // aligned, and with zeros behind each block
  std::vector<RansBlockWords> of_block;

  static Result<ReadWords> of(const RansLayout& layout, Bytes in) {
    const auto truncated = [] {
      return make_error(ErrorCode::kCorrupt, "a rANS block is cut short");
    };
    const auto blocks = static_cast<std::size_t>(layout.blocks());
    if (in.size() / sizeof(std::uint32_t) < blocks) return truncated();
    Bytes words = in.subspan(blocks * sizeof(std::uint32_t));
    const auto states = static_cast<std::size_t>(2 * layout.lanes());
    ReadWords read;
    read.padded.resize(words.size() / 2 + blocks * kRansPadWords);
    read.of_block.resize(blocks);
    std::uint16_t* next = read.padded.data();
    for (std::size_t block = 0; block < blocks; ++block) {
      std::uint32_t count = 0;
      std::memcpy(&count, in.data() + block * sizeof count, sizeof count);
      if (count < states || words.size() / 2 < count) return truncated();
      std::memcpy(next, words.data(), count * sizeof(std::uint16_t));
      words = words.subspan(count * sizeof(std::uint16_t));
      read.of_block[block] = {next, count};
      next += count + kRansPadWords;
    }
    if (!words.empty()) return make_error(ErrorCode::kCorrupt, "bytes after the last rANS block");
    return read;  // moving it leaves the words where they are
  }
};

class RansCoder final : public SymbolCoder {
 public:
  std::string_view name() const override { return kName; }
  int precision() const override { return kRansPrecision; }

  std::vector<std::byte> encode(const SymbolGroups& groups, const SymbolModel& model,
                                std::int64_t rows, const std::uint8_t* symbols) const override {
    return written(rans_encode({groups, model, rows}, symbols));
  }
  Result<std::vector<std::byte>> encode_on(DeviceQueue& queue, const SymbolGroups& groups,
                                           const SymbolModel& model, std::int64_t rows,
                                           const std::uint8_t* symbols) const override {
    return written(SLUICE_TRY(rans_encode_on(queue, {groups, model, rows}, symbols)));
  }

  Status decode(const SymbolGroups& groups, const SymbolModel& model, std::int64_t rows, Bytes in,
                std::uint8_t* symbols) const override {
    const RansProblem problem{groups, model, rows};
    const ReadWords read = SLUICE_TRY(ReadWords::of(problem.layout(), in));
    if (!rans_decode(problem, read.of_block, symbols)) {
      return make_error(ErrorCode::kCorrupt, "a rANS block does not end where it began");
    }
    return {};
  }
  Status decode_on(DeviceQueue& queue, const SymbolGroups& groups, const SymbolModel& model,
                   std::int64_t rows, Bytes in, std::uint8_t* symbols) const override {
    const RansProblem problem{groups, model, rows};
    const ReadWords read = SLUICE_TRY(ReadWords::of(problem.layout(), in));
    return rans_decode_on(queue, problem, read.of_block, symbols);
  }

 private:
  static std::vector<std::byte> written(const RansWords& coded) {
    const std::size_t blocks = coded.words_first.size() - 1;
    const std::size_t words_bytes = coded.words.size() * sizeof(std::uint16_t);
    std::vector<std::byte> bytes(blocks * sizeof(std::uint32_t) + words_bytes);
    for (std::size_t block = 0; block < blocks; ++block) {
      const auto count =
          static_cast<std::uint32_t>(coded.words_first[block + 1] - coded.words_first[block]);
      std::memcpy(bytes.data() + block * sizeof count, &count, sizeof count);
    }
    std::memcpy(bytes.data() + blocks * sizeof(std::uint32_t), coded.words.data(), words_bytes);
    return bytes;
  }
};

class RansStage final : public EntropyStage {
 public:
  explicit RansStage(TableSource source) : source_(source) {}

  // Tables are learnt for whole layers; `auto` sends them with what has none.
  bool needs_all_heads() const override { return source_ == TableSource::kStatic; }
  std::unique_ptr<Calibration> calibration() const override {
    return source_ == TableSource::kAdaptive ? nullptr : calibrate_tables(kName);
  }
  Status encode(const Plane& plane, const SymbolShape& shape, std::int64_t rows,
                const std::uint8_t* symbols, ByteWriter& out) const override {
    return encode_plane(coder_, source_, plane, shape, rows, symbols, out);
  }
  Status decode(const Plane& plane, const SymbolShape& shape, std::int64_t rows, Bytes in,
                std::uint8_t* symbols) const override {
    return decode_plane(coder_, plane, shape, rows, in, symbols);
  }
  Status encode_on(DeviceQueue& queue, const Plane& plane, const SymbolShape& shape,
                   std::int64_t rows, const std::uint8_t* symbols, ByteWriter& out) const override {
    return encode_plane_on(queue, coder_, source_, {plane, shape, rows}, symbols, out);
  }
  Status decode_on(DeviceQueue& queue, const Plane& plane, const SymbolShape& shape,
                   std::int64_t rows, Bytes in, std::uint8_t* symbols) const override {
    return decode_plane_on(queue, coder_, {plane, shape, rows}, in, symbols);
  }

 private:
  RansCoder coder_;
  TableSource source_;
};

constexpr ParameterRow kParameters[] = {
    {.name = "tables",
     .kind = ParameterKind::kChoice,
     .fallback = 0,
     .least = 0,
     .most = 2,
     .choices = kTableSources,
     .summary = "where distributions come from: the profile, the frame, or what is smaller"},
};

Result<std::unique_ptr<Stage>> create(const Parameters& parameters) {
  return std::unique_ptr<Stage>(
      std::make_unique<RansStage>(static_cast<TableSource>(parameters.choice("tables"))));
}

}  // namespace

StageRow rans_row() {
  return {.id = 400,
          .name = kName,
          .role = StageRole::kEntropy,
          .version = 1,
          .parameters = kParameters,
          .summary =
              "interleaved rANS, 32 states per stream (Duda, arXiv 1311.2540; Giesen, "
              "arXiv 1402.3392)",
          .create = create,
          .runs_on_cuda = true};
}

}  // namespace sluice::kernels
