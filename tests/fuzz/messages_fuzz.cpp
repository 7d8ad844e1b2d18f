// SPDX-License-Identifier: Apache-2.0
// A control message from a peer that may be broken; the first byte chooses which kind is expected.
#include <cstddef>
#include <cstdint>

#include "runtime/transfer/messages.hpp"

namespace {

// What decodes must encode, and decode again from that.
template <class Message>
void decode_as(sluice::Bytes bytes) {
  const auto message = Message::decode(bytes);
  if (message && !Message::decode(message->encode())) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace runtime = sluice::runtime;
  if (size == 0) return 0;
  const sluice::Bytes bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 16) {
    case 0:
      decode_as<runtime::Hello>(bytes);
      break;
    case 1:
      decode_as<runtime::SubmitMessage>(bytes);
      break;
    case 2:
      decode_as<runtime::WantMessage>(bytes);
      break;
    case 3:
      decode_as<runtime::GrantMessage>(bytes);
      break;
    case 4:
      decode_as<runtime::PiecesMessage>(bytes);
      break;
    case 5:
      decode_as<runtime::ManifestMessage>(bytes);
      break;
    case 6:
      decode_as<runtime::TokenMessage>(bytes);
      break;
    case 7:
      decode_as<runtime::TakenMessage>(bytes);
      break;
    case 8:
      decode_as<runtime::AgainMessage>(bytes);
      break;
    case 9:
      decode_as<runtime::BeatMessage>(bytes);
      break;
    case 10:
      decode_as<runtime::LinksMessage>(bytes);
      break;
    case 11:
      decode_as<runtime::JoinedMessage>(bytes);
      break;
    case 13:
      decode_as<runtime::PrefixesMessage>(bytes);
      break;
    case 14:
      decode_as<runtime::StatusMessage>(bytes);
      break;
    case 15:
      decode_as<runtime::DrainMessage>(bytes);
      break;
    default:
      decode_as<runtime::FailedMessage>(bytes);
      break;
  }
  return 0;
}
