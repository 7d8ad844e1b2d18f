// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/plane_coder.hpp"

#include <cstring>
#include <optional>
#include <utility>

#include "kernels/stages/entropy/symbol_counts.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"

namespace sluice::kernels {
namespace {

// ByteWriter has no room to write into: the bytes are made apart and copied once.
void append(Bytes bytes, ByteWriter& out) {
  constexpr std::size_t kChunkBytes = 256;
  struct Chunk {
    std::byte bytes[kChunkBytes];
  };
  for (; bytes.size() >= kChunkBytes; bytes = bytes.subspan(kChunkBytes)) {
    Chunk chunk;
    std::memcpy(chunk.bytes, bytes.data(), kChunkBytes);
    out.put(chunk);
  }
  for (const std::byte byte : bytes) out.put(byte);
}

// What a model costs before the first symbol, and the model.
struct Candidate {
  PlaneMode mode = PlaneMode::kPacked;
  SymbolModel model;
  std::vector<std::byte> header;
  std::uint64_t bits_q8 = 0;
};

Result<Candidate> sent_candidate(const SymbolCoder& coder, const SymbolGroups& groups,
                                 const SymbolCounts& counts) {
  ByteWriter tables;
  write_tables(groups, counts, coder.precision(), tables);
  Candidate sent{.mode = PlaneMode::kSent, .model = {}, .header = tables.take(), .bits_q8 = 0};
  ByteReader reader(sent.header);
  sent.model = SLUICE_TRY(read_tables(groups, coder.precision(), reader));
  sent.bits_q8 = sent.model.cost_q8(groups, counts) + sent.header.size() * 8 * 256;
  return sent;
}

// The smaller of the tables there are.
Result<Candidate> choose(const SymbolCoder& coder, TableSource source, const Plane& plane,
                         const SymbolShape& shape, const SymbolGroups& groups,
                         const SymbolCounts& counts) {
  std::optional<Candidate> best;
  if (source == TableSource::kAuto) {
    if (auto model = static_model(coder.name(), plane, shape, groups, coder.precision())) {
      best.emplace();
      best->mode = PlaneMode::kStatic;
      best->model = std::move(model).value();
      best->bits_q8 = best->model.cost_q8(groups, counts);
    }
  }
  Candidate sent = SLUICE_TRY(sent_candidate(coder, groups, counts));
  if (!best || sent.bits_q8 < best->bits_q8) best = std::move(sent);
  return std::move(*best);
}

}  // namespace

Status encode_plane(const SymbolCoder& coder, TableSource source, const Plane& plane,
                    const SymbolShape& shape, std::int64_t rows, const std::uint8_t* symbols,
                    ByteWriter& out) {
  const SymbolGroups groups = SLUICE_TRY(SymbolGroups::of(shape));
  if (rows == 0 || groups.columns.empty()) return {};
  const std::size_t packed_size = packed_bytes(shape, rows);
  Candidate chosen{.mode = PlaneMode::kStatic, .model = {}, .header = {}, .bits_q8 = 0};
  if (source == TableSource::kStatic) {
    // There is nothing to choose, and so nothing to count.
    chosen.model = SLUICE_TRY(static_model(coder.name(), plane, shape, groups, coder.precision()));
  } else {
    const SymbolCounts counts = count_symbols(groups, rows, symbols);
    chosen = SLUICE_TRY(choose(coder, source, plane, shape, groups, counts));
  }
  if (chosen.bits_q8 / 256 < packed_size * 8) {
    const auto coded = coder.encode(groups, chosen.model, rows, symbols);
    if (chosen.header.size() + coded.size() < packed_size) {
      out.put(chosen.mode);
      append(chosen.header, out);
      append(coded, out);
      return {};
    }
  }
  std::vector<std::byte> packed(packed_size);
  pack_symbols(shape, rows, symbols, packed.data());
  out.put(PlaneMode::kPacked);
  append(packed, out);
  return {};
}

Status decode_plane(const SymbolCoder& coder, const Plane& plane, const SymbolShape& shape,
                    std::int64_t rows, Bytes in, std::uint8_t* symbols) {
  const SymbolGroups groups = SLUICE_TRY(SymbolGroups::of(shape));
  if (rows == 0 || groups.columns.empty()) {
    if (!in.empty()) return make_error(ErrorCode::kCorrupt, "coded symbols of an empty plane");
    // A null pointer is no argument of memset, not even for no bytes.
    const std::size_t count = static_cast<std::size_t>(rows) * groups.all_columns;
    if (count != 0) std::memset(symbols, 0, count);
    return {};
  }
  ByteReader reader(in);
  const auto mode = SLUICE_TRY(reader.get<PlaneMode>());
  const auto rest = [&] { return in.last(reader.remaining()); };
  if (mode == PlaneMode::kPacked) return unpack_symbols(shape, rows, rest(), symbols);
  if (mode != PlaneMode::kStatic && mode != PlaneMode::kSent) {
    return make_error(ErrorCode::kCorrupt, "coded symbols of an unknown mode");
  }
  const SymbolModel model =
      mode == PlaneMode::kStatic
          ? SLUICE_TRY(static_model(coder.name(), plane, shape, groups, coder.precision()))
          : SLUICE_TRY(read_tables(groups, coder.precision(), reader));
  if (groups.columns.size() != groups.all_columns) {
    std::memset(symbols, 0, static_cast<std::size_t>(rows) * groups.all_columns);
  }
  return coder.decode(groups, model, rows, rest(), symbols);
}

}  // namespace sluice::kernels
