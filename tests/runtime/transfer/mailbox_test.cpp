// SPDX-License-Identifier: Apache-2.0
#include "runtime/transfer/mailbox.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace sluice::runtime {
namespace {

TEST(Mailbox, KeepsTheOrderAcrossThreads) {
  constexpr int kValues = 10000;
  Mailbox<int> mailbox;
  std::thread writer([&] {
    for (int i = 0; i < kValues; ++i) mailbox.push(i);
    mailbox.close();
  });
  int expected = 0;
  while (const auto value = mailbox.pop()) EXPECT_EQ(*value, expected++);
  writer.join();
  EXPECT_EQ(expected, kValues);
}

TEST(Mailbox, ClosingDeliversTheRestFirst) {
  Mailbox<int> mailbox;
  mailbox.push(1);
  mailbox.close();
  EXPECT_EQ(mailbox.pop(), std::optional<int>(1));
  EXPECT_EQ(mailbox.pop(), std::nullopt);
}

TEST(Mailbox, DrainTakesAll) {
  Mailbox<int> mailbox;
  mailbox.push(1);
  mailbox.push(2);
  EXPECT_EQ(mailbox.drain().size(), 2U);
  EXPECT_TRUE(mailbox.drain().empty());
}

}  // namespace
}  // namespace sluice::runtime
