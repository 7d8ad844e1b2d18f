// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/plane_coder.hpp"

#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "kernels/stages/entropy/symbol_counts.hpp"
#include "kernels/stages/entropy/symbol_counts_device.hpp"
#include "kernels/stages/entropy/symbol_tables.hpp"
#include "kernels/stages/quantize/pack/pack_bits.hpp"
#include "kernels/stages/quantize/pack/pack_device.hpp"

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

// Symbols on the host, and what is done with them.
struct HostSymbols {
  const SymbolCoder& coder;
  const PlaneSymbols& of;

  Result<SymbolCounts> count(const SymbolGroups& groups, const std::uint8_t* symbols) const {
    return count_symbols(groups, of.rows, symbols);
  }
  Result<std::vector<std::byte>> encode(const SymbolGroups& groups, const SymbolModel& model,
                                        const std::uint8_t* symbols) const {
    return coder.encode(groups, model, of.rows, symbols);
  }
  Status pack(const std::uint8_t* symbols, std::span<std::byte> packed) const {
    pack_symbols(of.shape, of.rows, symbols, packed.data());
    return {};
  }
  Status clear(std::uint8_t* symbols, std::size_t count) const {
    // A null pointer is no argument of memset, not even for no bytes.
    if (count != 0) std::memset(symbols, 0, count);
    return {};
  }
  Status decode(const SymbolGroups& groups, const SymbolModel& model, Bytes in,
                std::uint8_t* symbols) const {
    return coder.decode(groups, model, of.rows, in, symbols);
  }
  Status unpack(Bytes packed, std::uint8_t* symbols) const {
    return unpack_symbols(of.shape, of.rows, packed, symbols);
  }
};

// The same of a queue's memory.
struct QueueSymbols {
  DeviceQueue& queue;
  const SymbolCoder& coder;
  const PlaneSymbols& of;

  Result<SymbolCounts> count(const SymbolGroups& groups, const std::uint8_t* symbols) const {
    return count_symbols_on(queue, groups, of.rows, symbols);
  }
  Result<std::vector<std::byte>> encode(const SymbolGroups& groups, const SymbolModel& model,
                                        const std::uint8_t* symbols) const {
    return coder.encode_on(queue, groups, model, of.rows, symbols);
  }
  Status pack(const std::uint8_t* symbols, std::span<std::byte> packed) const {
    std::byte* const room = SLUICE_TRY(queue.room(packed.size()));
    SLUICE_TRY(pack_on(queue, of.shape, of.rows, symbols, room));
    SLUICE_TRY(queue.copy_to_host(room, packed.size(), packed.data()));
    return queue.wait();
  }
  Status clear(std::uint8_t* symbols, std::size_t count) const {
    std::byte* const zeros = SLUICE_TRY(queue.host_room(count));
    std::memset(zeros, 0, count);
    return queue.copy_to_device(zeros, count, symbols);
  }
  Status decode(const SymbolGroups& groups, const SymbolModel& model, Bytes in,
                std::uint8_t* symbols) const {
    return coder.decode_on(queue, groups, model, of.rows, in, symbols);
  }
  Status unpack(Bytes packed, std::uint8_t* symbols) const {
    if (packed.size() != packed_bytes(of.shape, of.rows)) {
      return make_error(ErrorCode::kCorrupt, "packed symbols have the wrong length");
    }
    const std::byte* const room = SLUICE_TRY(upload(queue, packed));
    return unpack_on(queue, of.shape, of.rows, room, symbols);
  }
};

template <class Symbols>
Status encode_with(const Symbols& at, TableSource source, const std::uint8_t* symbols,
                   ByteWriter& out) {
  const auto& [plane, shape, rows] = at.of;
  const SymbolGroups groups = SLUICE_TRY(SymbolGroups::of(shape));
  if (rows == 0 || groups.columns.empty()) return {};
  const std::size_t packed_size = packed_bytes(shape, rows);
  Candidate chosen{.mode = PlaneMode::kStatic, .model = {}, .header = {}, .bits_q8 = 0};
  if (source == TableSource::kStatic) {
    // There is nothing to choose, and so nothing to count.
    chosen.model =
        SLUICE_TRY(static_model(at.coder.name(), plane, shape, groups, at.coder.precision()));
  } else {
    const SymbolCounts counts = SLUICE_TRY(at.count(groups, symbols));
    chosen = SLUICE_TRY(choose(at.coder, source, plane, shape, groups, counts));
  }
  if (chosen.bits_q8 / 256 < packed_size * 8) {
    const auto coded = SLUICE_TRY(at.encode(groups, chosen.model, symbols));
    if (chosen.header.size() + coded.size() < packed_size) {
      out.put(chosen.mode);
      append(chosen.header, out);
      append(coded, out);
      return {};
    }
  }
  std::vector<std::byte> packed(packed_size);
  SLUICE_TRY(at.pack(symbols, packed));
  out.put(PlaneMode::kPacked);
  append(packed, out);
  return {};
}

template <class Symbols>
Status decode_with(const Symbols& at, Bytes in, std::uint8_t* symbols) {
  const auto& [plane, shape, rows] = at.of;
  const SymbolGroups groups = SLUICE_TRY(SymbolGroups::of(shape));
  const std::size_t count = static_cast<std::size_t>(rows) * groups.all_columns;
  if (rows == 0 || groups.columns.empty()) {
    if (!in.empty()) return make_error(ErrorCode::kCorrupt, "coded symbols of an empty plane");
    return at.clear(symbols, count);
  }
  ByteReader reader(in);
  const auto mode = SLUICE_TRY(reader.get<PlaneMode>());
  const auto rest = [&] { return in.last(reader.remaining()); };
  if (mode == PlaneMode::kPacked) return at.unpack(rest(), symbols);
  if (mode != PlaneMode::kStatic && mode != PlaneMode::kSent) {
    return make_error(ErrorCode::kCorrupt, "coded symbols of an unknown mode");
  }
  const SymbolModel model =
      mode == PlaneMode::kStatic
          ? SLUICE_TRY(static_model(at.coder.name(), plane, shape, groups, at.coder.precision()))
          : SLUICE_TRY(read_tables(groups, at.coder.precision(), reader));
  if (groups.columns.size() != groups.all_columns) SLUICE_TRY(at.clear(symbols, count));
  return at.decode(groups, model, rest(), symbols);
}

}  // namespace

Status encode_plane(const SymbolCoder& coder, TableSource source, const Plane& plane,
                    const SymbolShape& shape, std::int64_t rows, const std::uint8_t* symbols,
                    ByteWriter& out) {
  const PlaneSymbols of{plane, shape, rows};
  return encode_with(HostSymbols{coder, of}, source, symbols, out);
}

Status decode_plane(const SymbolCoder& coder, const Plane& plane, const SymbolShape& shape,
                    std::int64_t rows, Bytes in, std::uint8_t* symbols) {
  const PlaneSymbols of{plane, shape, rows};
  return decode_with(HostSymbols{coder, of}, in, symbols);
}

Status encode_plane_on(DeviceQueue& queue, const SymbolCoder& coder, TableSource source,
                       const PlaneSymbols& of, const std::uint8_t* symbols, ByteWriter& out) {
  return encode_with(QueueSymbols{queue, coder, of}, source, symbols, out);
}

Status decode_plane_on(DeviceQueue& queue, const SymbolCoder& coder, const PlaneSymbols& of,
                       Bytes in, std::uint8_t* symbols) {
  return decode_with(QueueSymbols{queue, coder, of}, in, symbols);
}

}  // namespace sluice::kernels
