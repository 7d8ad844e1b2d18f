// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/frame_format.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/core/dtype.hpp"
#include "kernels/pipeline/frame.hpp"

namespace sluice::kernels {
namespace {

// "SLKV", as it is read from the file.
constexpr std::uint32_t kMagic = 0x564b4c53;

constexpr std::uint8_t kFlagRaw = 1;
constexpr std::uint8_t kFlagHeadSets = 2;
constexpr std::uint8_t kFlagProfile = 4;
constexpr std::uint8_t kFlagRope = 8;
constexpr std::uint8_t kFlagsKnown = 15;

constexpr std::uint8_t kElementsBf16 = 1;  // of exact rows; the only type so far

// Offsets of what is filled in at the end.
constexpr std::size_t kFlagsAt = 6;
constexpr std::size_t kFrameBytesAt = 8;
constexpr std::size_t kDirectoryBytesAt = 16;
constexpr std::size_t kFixedBytes = 50;
constexpr std::size_t kHeadRangeBytes = 4;  // after them, from version 2 on

// What a frame's head may be at most, so that as much of it can be copied before it is understood.
constexpr std::size_t kHeaderBytesMax =
    kFixedBytes + kHeadRangeBytes + 2 * 8 + 1 + kPipelineNameMax;
constexpr std::size_t kStageRecordsBytesMax = std::size_t{16} << 10;
constexpr std::uint64_t kLevelTableBytesMax = 1 + kDistinctLevelsMax;

// Of a frame's layers together: what is listed of each must stay small against what a short frame
// can promise. The largest models known have a quarter of it in all.
constexpr std::int64_t kLayerHeadsMax = 0x10000;

constexpr std::int64_t kU16Max = 0xffff;
constexpr std::int64_t kPositionsMax = 0x7fffffff;

Error corrupt(const char* what) {
  return make_error(ErrorCode::kCorrupt, std::string("the frame ") + what);
}

std::uint8_t flags_of(const FrameHeader& header) {
  return static_cast<std::uint8_t>(
      (header.is_raw ? kFlagRaw : 0) | (header.has_head_sets ? kFlagHeadSets : 0) |
      (header.profile_hash != 0 ? kFlagProfile : 0) | (header.rope_hash != 0 ? kFlagRope : 0));
}

Status check_shape(const FrameHeader& header) {
  if (header.layers < 1 || header.kv_heads < 1 || header.head_dim < 1 || header.layer_count < 1 ||
      header.layer_first + header.layer_count > header.layers ||
      header.layer_count * header.kv_heads > kLayerHeadsMax) {
    return corrupt("has an impossible shape");
  }
  if (header.head_first < 0 || header.heads() < 1 ||
      header.head_first + header.heads() > header.kv_heads) {
    return corrupt("has an impossible range of heads");
  }
  if (header.first_token > header.last_token || header.last_token > kPositionsMax) {
    return corrupt("has an impossible range of tokens");
  }
  return {};
}

// Copies the bytes, at most so many, from which a head is read: the frame may lie where whoever
// wrote it can still write, and what was checked must be what is used.
std::unique_ptr<std::byte[]> copy_head(Bytes bytes) {
  auto head = std::make_unique_for_overwrite<std::byte[]>(bytes.size());
  if (!bytes.empty()) std::memcpy(head.get(), bytes.data(), bytes.size());
  return head;
}

// Of stage records and level sets; a run of a set is no longer in bytes than in tokens.
std::uint64_t head_bytes_max(const FrameHeader& header) {
  const auto sets = static_cast<std::uint64_t>(header.has_head_sets ? header.heads() : 1);
  return kStageRecordsBytesMax +
         sets * (kLevelTableBytesMax + static_cast<std::uint64_t>(header.tokens()));
}

// What follows the magic and the version.
Result<FrameHeader> read_header(std::uint16_t version, ByteReader& in) {
  FrameHeader header;
  const auto flags = SLUICE_TRY(in.get<std::uint8_t>());
  if ((flags & ~kFlagsKnown) != 0) return corrupt("has unknown flags");
  header.is_raw = (flags & kFlagRaw) != 0;
  header.has_head_sets = (flags & kFlagHeadSets) != 0;
  if (SLUICE_TRY(in.get<std::uint8_t>()) != kElementsBf16) {
    return make_error(ErrorCode::kUnsupported, "the frame has elements of a type unknown here");
  }
  header.frame_bytes = SLUICE_TRY(in.get<std::uint64_t>());
  header.directory_bytes = SLUICE_TRY(in.get<std::uint32_t>());
  header.model_fingerprint = SLUICE_TRY(in.get<std::uint64_t>());
  header.layers = SLUICE_TRY(in.get<std::uint16_t>());
  header.kv_heads = SLUICE_TRY(in.get<std::uint16_t>());
  header.head_dim = SLUICE_TRY(in.get<std::uint16_t>());
  header.layer_first = SLUICE_TRY(in.get<std::uint16_t>());
  header.layer_count = SLUICE_TRY(in.get<std::uint16_t>());
  header.first_token = SLUICE_TRY(in.get<std::uint32_t>());
  header.last_token = SLUICE_TRY(in.get<std::uint32_t>());
  header.head_count = header.kv_heads;
  if (version >= kFrameVersionHeads) {
    header.head_first = SLUICE_TRY(in.get<std::uint16_t>());
    header.head_count = SLUICE_TRY(in.get<std::uint16_t>());
    if (header.head_count == 0) return corrupt("has an impossible range of heads");
  }
  SLUICE_TRY(check_shape(header));
  if ((flags & kFlagProfile) != 0) {
    header.profile_hash = SLUICE_TRY(in.get<std::uint64_t>());
    if (header.profile_hash == 0) return corrupt("names a profile without naming it");
  }
  if ((flags & kFlagRope) != 0) {
    header.rope_hash = SLUICE_TRY(in.get<std::uint64_t>());
    if (header.rope_hash == 0) return corrupt("names rotations without naming them");
  }
  const auto name_bytes = SLUICE_TRY(in.get<std::uint8_t>());
  if (name_bytes > kPipelineNameMax) return corrupt("has a pipeline name that is too long");
  const Bytes name = SLUICE_TRY(in.get_bytes(name_bytes));
  header.pipeline.assign(reinterpret_cast<const char*>(name.data()), name.size());
  return header;
}

}  // namespace

Status check_fits(const FrameHeader& header) {
  if (header.layers > kU16Max || header.kv_heads > kU16Max || header.head_dim > kU16Max) {
    return make_error(ErrorCode::kInvalidArgument,
                      "a frame holds at most 65535 layers, heads and elements per head");
  }
  if (header.last_token > kPositionsMax) {
    return make_error(ErrorCode::kInvalidArgument, "a frame holds at most 2147483647 tokens");
  }
  if (const Status ok = check_shape(header); !ok) {
    return make_error(ErrorCode::kInvalidArgument, ok.error().message);
  }
  return {};
}

void write_header(const FrameHeader& header, ByteWriter& out) {
  out.put(kMagic);
  out.put(header.has_all_heads() ? kFrameVersionWhole : kFrameVersionHeads);
  out.put(flags_of(header));
  out.put(kElementsBf16);
  out.put(header.frame_bytes);
  out.put(header.directory_bytes);
  out.put(header.model_fingerprint);
  for (const std::int64_t number :
       {header.layers, header.kv_heads, header.head_dim, header.layer_first, header.layer_count}) {
    out.put(static_cast<std::uint16_t>(number));
  }
  out.put(static_cast<std::uint32_t>(header.first_token));
  out.put(static_cast<std::uint32_t>(header.last_token));
  if (!header.has_all_heads()) {
    out.put(static_cast<std::uint16_t>(header.head_first));
    out.put(static_cast<std::uint16_t>(header.heads()));
  }
  if (header.profile_hash != 0) out.put(header.profile_hash);
  if (header.rope_hash != 0) out.put(header.rope_hash);
  out.put(static_cast<std::uint8_t>(header.pipeline.size()));
  out.put_bytes(as_bytes(header.pipeline));
}

void patch_header(const FrameHeader& header, std::byte* frame) {
  frame[kFlagsAt] = static_cast<std::byte>(flags_of(header));
  std::memcpy(frame + kFrameBytesAt, &header.frame_bytes, sizeof header.frame_bytes);
  std::memcpy(frame + kDirectoryBytesAt, &header.directory_bytes, sizeof header.directory_bytes);
}

std::size_t frame_overhead_max(const StageList& stages, std::size_t name_bytes, std::int64_t tokens,
                               std::int64_t heads) {
  ByteWriter records;
  stages.write(records);
  constexpr std::size_t kHashes = 2 * sizeof(std::uint64_t);
  return kFixedBytes + kHeadRangeBytes + kHashes + 1 + name_bytes + records.bytes().size() +
         static_cast<std::size_t>(heads) * level_set_bytes_max(tokens) + kChecksumBytes;
}

Result<FrameParts> take_apart(Bytes bytes) {
  ByteReader start(bytes);
  const auto magic = start.get<std::uint32_t>();
  const auto version = start.get<std::uint16_t>();
  if (!magic || *magic != kMagic || !version) return corrupt("does not begin as a frame");
  if (*version < kFrameVersionWhole || *version > kFrameVersion) {
    return make_error(ErrorCode::kUnsupported,
                      "the frame is of version " + std::to_string(*version) +
                          ", and the newest known here is " + std::to_string(kFrameVersion));
  }
  if (bytes.size() < kFixedBytes + kChecksumBytes) return corrupt("is cut short");
  FrameParts parts;
  parts.version = *version;
  std::memcpy(&parts.header.frame_bytes, bytes.data() + kFrameBytesAt, sizeof(std::uint64_t));
  const std::uint64_t frame_bytes = parts.header.frame_bytes;
  if (frame_bytes > bytes.size()) return corrupt("is cut short");
  if (frame_bytes < kFixedBytes + kChecksumBytes) return corrupt("contradicts its length");
  const Bytes frame = bytes.first(frame_bytes);
  std::memcpy(&parts.checksum, frame.data() + frame.size() - kChecksumBytes, kChecksumBytes);
  const Bytes body = frame.first(frame.size() - kChecksumBytes);

  std::array<std::byte, kHeaderBytesMax> header;
  const std::size_t header_bytes = std::min(body.size(), header.size());
  std::memcpy(header.data(), body.data(), header_bytes);
  ByteReader fixed(Bytes(header).first(header_bytes).subspan(kFlagsAt));
  parts.header = SLUICE_TRY(read_header(*version, fixed));
  if (parts.header.frame_bytes != frame_bytes) return corrupt("contradicts its length");

  const Bytes rest = body.subspan(header_bytes - fixed.remaining());
  const auto head_bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), head_bytes_max(parts.header)));
  parts.head = copy_head(rest.first(head_bytes));
  ByteReader in(Bytes(parts.head.get(), head_bytes));
  parts.stages = SLUICE_TRY(StageList::read(in));
  const std::int64_t sets = parts.header.has_head_sets ? parts.header.heads() : 1;
  for (std::int64_t i = 0; i < sets; ++i) {
    parts.sets.push_back(SLUICE_TRY(LevelSet::read(in, parts.header.tokens())));
  }
  const Bytes coded = rest.subspan(head_bytes - in.remaining());
  if (parts.header.directory_bytes > coded.size()) return corrupt("contradicts its length");
  parts.payload = coded.first(coded.size() - parts.header.directory_bytes);
  parts.directory = coded.last(parts.header.directory_bytes);
  return parts;
}

std::uint64_t frame_checksum(Bytes frame) {
  return XXH3_64bits(frame.data(), frame.size() - kChecksumBytes);
}

std::uint64_t rope_hash(const RopeAngles& rope) {
  if (rope.radians_per_position.empty()) return 0;
  std::uint64_t hash = XXH3_64bits(rope.radians_per_position.data(),
                                   rope.radians_per_position.size() * sizeof(double));
  hash = XXH3_64bits_withSeed(&rope.attention_factor, sizeof rope.attention_factor, hash);
  const std::uint8_t layout = rope.is_interleaved ? 1 : 0;
  hash = XXH3_64bits_withSeed(&layout, sizeof layout, hash);
  return hash == 0 ? 1 : hash;
}

}  // namespace sluice::kernels
