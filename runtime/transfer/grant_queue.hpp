// SPDX-License-Identifier: Apache-2.0
// Who gets memory next, of the handoffs that wait for it. Writers take turns, so that one that asks
// often keeps no other waiting; each writer's own are served in the order in which it asked.
//
// A large handoff is not starved by small ones of other writers: once it has been passed over often
// enough, nobody is served before it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "comm/transport.hpp"
#include "runtime/transfer/messages.hpp"

namespace sluice::runtime {

class GrantQueue {
 public:
  struct Entry {
    RequestId request = 0;
    comm::NodeId writer = 0;

    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // `is_open`: its request has begun. It is served before others of its writer, and passes those
  // that nobody may pass: they may be waiting for what the request holds.
  void add(const Entry& entry, bool is_open);
  void open(RequestId request);  // has begun meanwhile
  void remove(const Entry& entry);

  std::size_t size() const { return size_; }
  std::size_t size_of(comm::NodeId writer) const;
  std::size_t writers() const { return writers_.size(); }  // that have one here

  enum class Answer : std::uint8_t {
    kServed,  // or it has become nobody's: it is to go
    kNotNow,  // it gets what others give back
    kNotYet,  // what others give back is not enough: nobody need wait for it
  };
  // Asks entry after entry until each writer's next one was refused. `ask` may call open() and
  // remove().
  void serve(const std::function<Answer(const Entry&)>& ask);

  // How many grants to others an entry endures that was refused (kNotNow).
  static constexpr int kPassedMax = 16;

 private:
  struct Waiting {
    Entry entry;
    int passed = 0;
    bool is_refused = false;
  };
  struct Writer {
    std::deque<Waiting> open;
    std::deque<Waiting> waiting;

    Waiting& next() { return open.empty() ? waiting.front() : open.front(); }
    bool is_empty() const { return open.empty() && waiting.empty(); }
  };

  void count_passed();

  std::map<comm::NodeId, Writer> writers_;  // none is empty
  std::size_t size_ = 0;
  comm::NodeId last_served_ = 0;
  std::optional<Entry> first_;  // nobody is served before it
};

}  // namespace sluice::runtime
