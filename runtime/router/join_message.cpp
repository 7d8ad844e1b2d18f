// SPDX-License-Identifier: Apache-2.0
#include "runtime/router/join_message.hpp"

#include <string>
#include <utility>

namespace sluice::runtime {
namespace {

constexpr std::uint32_t kMagic = 0x314a4c53;  // "SLJ1": another version is another number

std::vector<std::byte> framed(Bytes fields) {
  ByteWriter frame;
  frame.put(kMagic);
  frame.put(static_cast<std::uint32_t>(fields.size()));
  frame.put_bytes(fields);
  return frame.take();
}

void put_hello(ByteWriter& fields, const Hello& hello) {
  fields.put_array(std::span<const std::byte>(hello.encode()));
}

Result<Hello> get_hello(ByteReader& fields) {
  const auto bytes = SLUICE_TRY(fields.get<std::uint32_t>());
  return Hello::decode(SLUICE_TRY(fields.get_bytes(bytes)));
}

Error not_a_frame() {
  return make_error(ErrorCode::kCorrupt, "this is not what a process says that joins a cluster");
}

}  // namespace

std::vector<std::byte> encode_join_question(const JoinQuestion& question) {
  ByteWriter fields;
  fields.put(question.node);
  put_hello(fields, question.hello);
  return framed(fields.bytes());
}

std::vector<std::byte> encode_join_answer(const Result<JoinAnswer>& answer) {
  ByteWriter fields;
  fields.put(static_cast<std::uint8_t>(answer ? 0 : 1));
  if (!answer) {
    fields.put(static_cast<std::uint8_t>(answer.error().code));
    fields.put_string(answer.error().message);
    return framed(fields.bytes());
  }
  fields.put(answer->incarnation);
  fields.put(answer->router);
  fields.put(static_cast<std::uint32_t>(answer->hellos.size()));
  for (const Hello& hello : answer->hellos) put_hello(fields, hello);
  return framed(fields.bytes());
}

Result<std::size_t> join_frame_bytes(Bytes header) {
  ByteReader reader(header);
  const auto magic = SLUICE_TRY(reader.get<std::uint32_t>());
  const auto bytes = SLUICE_TRY(reader.get<std::uint32_t>());
  if (magic != kMagic || bytes > kJoinBytesMax) return not_a_frame();
  return std::size_t{bytes};
}

Result<JoinQuestion> decode_join_question(Bytes bytes) {
  ByteReader fields(bytes);
  JoinQuestion question;
  question.node = SLUICE_TRY(fields.get<comm::NodeId>());
  question.hello = SLUICE_TRY(get_hello(fields));
  if (fields.remaining() != 0) return not_a_frame();
  return question;
}

Result<JoinAnswer> decode_join_answer(Bytes bytes) {
  ByteReader fields(bytes);
  const auto is_refused = SLUICE_TRY(fields.get<std::uint8_t>());
  if (is_refused > 1) return not_a_frame();
  if (is_refused == 1) {
    const auto code = SLUICE_TRY(fields.get<std::uint8_t>());
    const auto message = SLUICE_TRY(fields.get_string());
    if (code > static_cast<std::uint8_t>(ErrorCode::kInternal)) return not_a_frame();
    return make_error(static_cast<ErrorCode>(code), message);
  }
  JoinAnswer answer;
  answer.incarnation = SLUICE_TRY(fields.get<std::uint64_t>());
  answer.router = SLUICE_TRY(fields.get<comm::NodeId>());
  const auto count = SLUICE_TRY(fields.get<std::uint32_t>());
  // Each takes bytes of its own, so that a lying count costs no memory.
  for (std::uint32_t i = 0; i < count; ++i) answer.hellos.push_back(SLUICE_TRY(get_hello(fields)));
  if (fields.remaining() != 0) return not_a_frame();
  return answer;
}

}  // namespace sluice::runtime
