// SPDX-License-Identifier: Apache-2.0
// Peers that say anything: well-formed messages of random numbers, many of them nearly right. The
// engine neither fails nor leaks, and no two frames with the sink share memory.
#include <random>
#include <set>

#include "tests/runtime/transfer/receive_fixture.hpp"

namespace sluice::runtime {
namespace {

using testing::kTokens;
using testing::kWhole;
using testing::Receiver;
using testing::Writer;

class Hostility {
 public:
  explicit Hostility(unsigned seed) : random_(seed), receiver_(2048) {
    receiver_.sink.holds = true;
    for (comm::NodeId node = 10; node < 13; ++node) (void)receiver_.writer(node);
  }

  void step() {
    const RequestId request = first_ + random_() % 4;
    const auto own = static_cast<comm::NodeId>(10 + request % 3);
    const comm::NodeId peer = mostly<comm::NodeId>(own, {10, 11, 12});
    Writer& writer = receiver_.writer(peer);
    const unsigned what = random_() % 64;
    if (what < 12) {
      writer.send(MessageType::kWant, want(request));
    } else if (what < 30) {
      writer.send(MessageType::kPieces, pieces(request, peer));
    } else if (what < 36) {
      writer.send(MessageType::kManifest, manifest(request, peer));
    } else if (what == 36) {
      writer.fail(request);
    } else if (what == 37) {
      receiver_.engine->cancel(request);
    } else if (what == 38) {
      receiver_.engine->peer_lost(peer, make_error(ErrorCode::kUnavailable, "silent"),
                                  comm::PeerFate::kUnknown);
    } else if (what == 39) {
      receiver_.engine->peer_back(peer);
    } else if (what < 42) {
      ++first_;
    } else {
      finish_a_frame();
    }
    receiver_.sink.has_room = random_() % 8 != 0;
    receiver_.turn();
    learn();
    check();
  }

  // Everybody is gone: so is all that was taken.
  void end() {
    while (!receiver_.sink.held.empty()) finish_a_frame();
    for (comm::NodeId node = 10; node < 13; ++node) {
      receiver_.engine->peer_lost(node, make_error(ErrorCode::kUnavailable, "dead"),
                                  comm::PeerFate::kGone);
      EXPECT_FALSE(receiver_.engine->has_handoffs_from(node));
    }
    receiver_.turn();
    EXPECT_EQ(receiver_.taken_bytes(), 0U);
    EXPECT_EQ(receiver_.quarantined_bytes(), 0U);
    EXPECT_EQ(receiver_.engine->memory().waiting, 0U);
    // A request of two writers whose second never asked: only the router knows that it will not.
    for (RequestId request = 1; request < first_ + 4; ++request) {
      receiver_.engine->cancel(request);
    }
    EXPECT_EQ(receiver_.sink.open_requests(), 0U);
  }

  int taken() const { return receiver_.sink.taken; }
  std::size_t completed() const { return receiver_.sink.completed.size(); }

 private:
  // Mostly the first; else what no peer should say.
  template <class T>
  T mostly(T right, std::initializer_list<T> wrong) {
    return random_() % 40 != 0 ? right : *(wrong.begin() + random_() % wrong.size());
  }
  CacheRange range() {
    const auto any = [&] { return static_cast<std::int32_t>(random_() % 6) - 1; };
    return mostly<CacheRange>(kWhole, {{0, 4, 0, 1}, {0, 4, 1, 1}, {any(), any(), any(), any()}});
  }
  WantMessage want(RequestId request) {
    const std::int32_t writers = mostly(1, {2, 0, -5, 64, 1 << 30});
    const CacheRange of_two{0, 4, static_cast<std::int32_t>(random_() % 2), 1};
    return {request,
            mostly<std::int64_t>(kTokens, {kTokens - 1, 0, -1, std::int64_t{1} << 62}),
            mostly<std::int64_t>(4, {5, 0, -1, std::int64_t{1} << 62}),
            mostly<std::uint64_t>(256, {0, 64, 4096, ~std::uint64_t{0}}),
            mostly<std::uint64_t>(64, {0, 256, 2048, 2049, ~std::uint64_t{0}}),
            writers == 2 ? of_two : range(),
            writers,
            0,
            {}};
  }
  GrantMessage slot_of(RequestId request, comm::NodeId peer) {
    const auto known = grants_.find({request, peer});
    GrantMessage slot = known == grants_.end() ? GrantMessage{request, 1, 0, 256} : known->second;
    slot.epoch = mostly(slot.epoch, {slot.epoch + 1, std::uint64_t{0}});
    return slot;
  }
  PiecesMessage pieces(RequestId request, comm::NodeId peer) {
    const GrantMessage slot = slot_of(request, peer);
    PiecesMessage message{slot.request, slot.epoch, {}};
    for (std::int32_t layer = 0; layer < 4; ++layer) {
      if (!announced_.insert({slot.epoch, layer}).second && random_() % 20 != 0) continue;
      const CacheRange part = mostly<CacheRange>({layer, 1, 0, 2}, {range()});
      message.pieces.push_back(
          {part, mostly<std::int64_t>(0, {1, -1, kTokens}),
           mostly<std::int64_t>(kTokens, {1, 0, kTokens + 1, std::int64_t{1} << 62}),
           mostly<std::uint64_t>(static_cast<std::uint64_t>(layer) * 64,
                                 {0, 32, 4096, ~std::uint64_t{0}}),
           mostly<std::uint64_t>(64, {0, 65, 4096, ~std::uint64_t{0}}), 5});
    }
    return message;
  }
  ManifestMessage manifest(RequestId request, comm::NodeId peer) {
    const GrantMessage slot = slot_of(request, peer);
    ManifestMessage message = Writer::manifest(slot, {});
    message.range = range();
    message.frames = mostly<std::uint64_t>(4, {0, 3, ~std::uint64_t{0}});
    for (int i = 0; i < 4; ++i) message.checksum = fold_checksum(message.checksum, 5);
    return message;
  }
  void finish_a_frame() {
    auto& held = receiver_.sink.held;
    if (held.empty()) return;
    const auto index = static_cast<std::ptrdiff_t>(random_() % held.size());
    const LandedFrame frame = held[static_cast<std::size_t>(index)];
    held.erase(held.begin() + index);
    const Error error = make_error(random_() % 4 == 0 ? ErrorCode::kInternal : ErrorCode::kCorrupt,
                                   "not what was announced");
    receiver_.engine->frame_done(frame, random_() % 20 == 0 ? Status(error) : Status());
  }
  void learn() {
    for (comm::NodeId node = 10; node < 13; ++node) {
      const auto messages = receiver_.writer(node).received();
      const auto granted = messages.find(MessageType::kGrant);
      if (granted == messages.end()) continue;
      for (const auto& payload : granted->second) {
        const GrantMessage grant = GrantMessage::decode(payload).value();
        grants_[{grant.request, node}] = grant;
        EXPECT_TRUE(epochs_.insert(grant.epoch).second);
      }
    }
  }
  void check() const {
    std::map<const std::byte*, const std::byte*> memory;
    for (const LandedFrame& frame : receiver_.sink.held) {
      const std::byte* first = frame.bytes.data();
      const std::byte* last = first + frame.bytes.size();
      ASSERT_GE(first, receiver_.arena.data);
      ASSERT_LE(last, receiver_.arena.data + receiver_.arena.bytes);
      ASSERT_TRUE(memory.emplace(first, last).second);
    }
    const std::byte* end = nullptr;
    for (const auto& [first, last] : memory) {
      ASSERT_LE(end, first);
      end = last;
    }
    const auto of = receiver_.engine->memory();
    ASSERT_LE(of.quarantined_bytes, of.taken_bytes);
    ASSERT_LE(of.taken_bytes, of.arena_bytes);
  }

  std::mt19937 random_;
  Receiver receiver_;
  RequestId first_ = 1;
  std::map<std::pair<RequestId, comm::NodeId>, GrantMessage> grants_;
  std::set<std::uint64_t> epochs_;
  std::set<std::pair<std::uint64_t, std::int32_t>> announced_;  // epoch and layer
};

TEST(ReceiveEngineHostile, NothingThatPeersSayBreaksOrLeaks) {
  int taken = 0;
  std::size_t completed = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    Hostility hostility(seed);
    for (int i = 0; i < 400 && !::testing::Test::HasFailure(); ++i) hostility.step();
    hostility.end();
    if (::testing::Test::HasFailure()) break;
    taken += hostility.taken();
    completed += hostility.completed();
  }
  // They were right often enough for the test to be about something.
  EXPECT_GT(taken, 500);
  EXPECT_GT(completed, 50U);
}

}  // namespace
}  // namespace sluice::runtime
