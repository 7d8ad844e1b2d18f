// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/messages.hpp"

#include <span>
#include <type_traits>

namespace sluice::runtime {
namespace {

static_assert(std::is_trivially_copyable_v<Piece> && sizeof(Piece) == 56);
static_assert(std::is_trivially_copyable_v<LinkReport> && sizeof(LinkReport) == 72);

// One list of fields per message serves both directions: `fields(message, visitor)`.
class Writing {
 public:
  template <class T>
  void operator()(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      writer_.put_string(value);
    } else if constexpr (std::is_trivially_copyable_v<T>) {
      writer_.put(value);
    } else {
      writer_.put_array(std::span(value));
    }
  }
  std::vector<std::byte> take() { return writer_.take(); }

 private:
  ByteWriter writer_;
};

class Reading {
 public:
  explicit Reading(Bytes bytes) : reader_(bytes) {}

  template <class T>
  void operator()(T& value) {
    if (!status_) return;
    if constexpr (std::is_same_v<T, std::string>) {
      store(reader_.get_string(), value);
    } else if constexpr (std::is_trivially_copyable_v<T>) {
      store(reader_.get<T>(), value);
    } else {
      store(reader_.get_array<typename T::value_type>(), value);
    }
  }
  // An enumeration or boolean arrives as an integer: checked, since other values are undefined.
  template <class T>
  void bounded(T& value, std::uint8_t last) {
    std::uint8_t raw = 0;
    (*this)(raw);
    if (status_ && raw > last) {
      status_ = make_error(ErrorCode::kCorrupt, "a field of a message has an impossible value");
    }
    if (status_) value = static_cast<T>(raw);
  }
  Status finish() const {
    if (status_ && reader_.remaining() != 0) {
      return make_error(ErrorCode::kCorrupt, "a message is longer than its fields");
    }
    return status_;
  }

 private:
  template <class T>
  void store(Result<T> result, T& value) {
    if (result) {
      value = std::move(result).value();
    } else {
      status_ = std::move(result).error();
    }
  }

  ByteReader reader_;
  Status status_;
};

template <class T>
void bounded(Writing& writing, const T& value, std::uint8_t /*last*/) {
  writing(static_cast<std::uint8_t>(value));
}
template <class T>
void bounded(Reading& reading, T& value, std::uint8_t last) {
  reading.bounded(value, last);
}

template <class M, class V>
void sampling_fields(M& sampling, V& visit) {
  visit(sampling.temperature);
  visit(sampling.top_p);
  visit(sampling.top_k);
  visit(sampling.seed);
}

template <class T, class V>
void timeline_fields(T& timeline, V& visit) {
  visit(timeline.pipeline);
  visit(timeline.prompt_tokens);
  visit(timeline.output_tokens);
  visit(timeline.queue_us);
  visit(timeline.prefill_us);
  visit(timeline.score_us);
  visit(timeline.encode_us);
  visit(timeline.encode_exposed_us);
  visit(timeline.wire_us);
  visit(timeline.decode_us);
  visit(timeline.unpack_us);
  visit(timeline.handover_us);
  visit(timeline.first_token_us);
  visit(timeline.total_us);
  visit(timeline.kv_bytes_raw);
  visit(timeline.kv_bytes_wire);
  visit(timeline.kept_share);
  visit(timeline.link_bytes_per_s);
  visit(timeline.prefill_cached_tokens);
  visit(timeline.decode_cached_tokens);
  visit(timeline.levels);
}

template <class M, class V>
void hello_fields(M& m, V& visit) {
  visit(m.protocol_version);
  visit(m.config_hash);
  visit(m.model_fingerprint);
  visit(m.pipeline_hash);
  visit(m.profile_hash);
  bounded(visit, m.role, static_cast<std::uint8_t>(Role::kDecode));
  visit(m.host);
  visit(m.error);
  visit(m.address);
  visit(m.arena_key);
  visit(m.incarnation);
}

template <class M, class V>
void submit_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.decode_node);
  visit(m.tokens_max);
  bounded(visit, m.ignore_end, 1);
  sampling_fields(m.sampling, visit);
  visit(m.pipeline);
  visit(m.question_tokens);
  bounded(visit, m.may_change_level, 1);
  visit(m.ttft_left_us);
  visit(m.kl_max);
  visit(m.decode_cached_tokens);
  visit(m.prompt);
}

template <class M, class V>
void want_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.prompt_tokens);
  visit(m.tokens_max);
  visit(m.frame_bytes);
  visit(m.frame_bytes_largest);
  visit(m.range);
  visit(m.writers);
  visit(m.cached_tokens);
  visit(m.blocks);
}

template <class M, class V>
void grant_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.epoch);
  visit(m.offset_bytes);
  visit(m.bytes);
}

template <class M, class V>
void pieces_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.epoch);
  visit(m.pieces);
}

template <class M, class V>
void taken_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.epoch);
  visit(m.offsets);
  bounded(visit, m.is_all, 1);
}

template <class M, class V>
void again_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.epoch);
  visit(m.offset_bytes);
}

template <class M, class V>
void manifest_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.epoch);
  visit(m.range);
  visit(m.prompt_tokens);
  visit(m.tokens_max);
  bounded(visit, m.ignore_end, 1);
  visit(m.first_token);
  sampling_fields(m.sampling, visit);
  visit(m.frames);
  visit(m.checksum);
  timeline_fields(m.timeline, visit);
  visit(m.prefill_end_us);
  visit(m.host);
}

template <class M, class V>
void token_fields(M& m, V& visit) {
  visit(m.request);
  visit(m.index);
  visit(m.token);
  bounded(visit, m.finish, static_cast<std::uint8_t>(FinishReason::kCancelled));
  timeline_fields(m.timeline, visit);
}

template <class M, class V>
void failed_fields(M& m, V& visit) {
  visit(m.request);
  bounded(visit, m.code, static_cast<std::uint8_t>(ErrorCode::kInternal));
  visit(m.message);
}

template <class M, class V>
void cancel_fields(M& m, V& visit) {
  visit(m.request);
}

template <class M, class V>
void loading_fields(M& m, V& visit) {
  visit(m.done);
  bounded(visit, m.ready, 1);
  visit(m.error);
}

template <class M, class V>
void goodbye_fields(M& m, V& visit) {
  visit(m.memory_peak_bytes);
  visit(m.memory_file_bytes);
}

template <class M, class V>
void beat_fields(M& m, V& visit) {
  visit(m.sent_us);
  bounded(visit, m.is_echo, 1);
}

template <class M, class V>
void links_fields(M& m, V& visit) {
  visit(m.links);
}

template <class M, class V>
void prefixes_fields(M& m, V& visit) {
  visit(m.stored);
  visit(m.evicted);
}

template <class M, class V>
void status_fields(M& m, V& visit) {
  visit(m.free_tokens);
  visit(m.step_s);
  visit(m.prefill_fixed_s);
  visit(m.prefill_s_per_token);
  visit(m.prefill_s_per_token_squared);
  visit(m.codec_slowness);
}

template <class M, class V>
void drain_fields(M& m, V& visit) {
  bounded(visit, m.as, static_cast<std::uint8_t>(Role::kDecode));
}

template <class M, class V>
void joined_fields(M& m, V& visit) {
  visit(m.node);
  visit(m.hello);
}

}  // namespace

// The two directions of a message, from its list of fields.
#define SLUICE_MESSAGE(Type, fields)            \
  std::vector<std::byte> Type::encode() const { \
    Writing writing;                            \
    fields(*this, writing);                     \
    return writing.take();                      \
  }                                             \
  Result<Type> Type::decode(Bytes bytes) {      \
    Type message;                               \
    Reading reading(bytes);                     \
    fields(message, reading);                   \
    SLUICE_TRY(reading.finish());               \
    return message;                             \
  }

SLUICE_MESSAGE(Hello, hello_fields)
SLUICE_MESSAGE(SubmitMessage, submit_fields)
SLUICE_MESSAGE(WantMessage, want_fields)
SLUICE_MESSAGE(GrantMessage, grant_fields)
SLUICE_MESSAGE(PiecesMessage, pieces_fields)
SLUICE_MESSAGE(ManifestMessage, manifest_fields)
SLUICE_MESSAGE(TokenMessage, token_fields)
SLUICE_MESSAGE(FailedMessage, failed_fields)
SLUICE_MESSAGE(CancelMessage, cancel_fields)
SLUICE_MESSAGE(LoadingMessage, loading_fields)
SLUICE_MESSAGE(GoodbyeMessage, goodbye_fields)
SLUICE_MESSAGE(TakenMessage, taken_fields)
SLUICE_MESSAGE(AgainMessage, again_fields)
SLUICE_MESSAGE(BeatMessage, beat_fields)
SLUICE_MESSAGE(LinksMessage, links_fields)
SLUICE_MESSAGE(JoinedMessage, joined_fields)
SLUICE_MESSAGE(PrefixesMessage, prefixes_fields)
SLUICE_MESSAGE(StatusMessage, status_fields)
SLUICE_MESSAGE(DrainMessage, drain_fields)

#undef SLUICE_MESSAGE

}  // namespace sluice::runtime
