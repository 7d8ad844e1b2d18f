// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/chat_family.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

TEST(ChatFamily, IsFoundByItsName) {
  ASSERT_NE(find_chat_family("yi"), nullptr);
  EXPECT_EQ(find_chat_family("yi")->style, ChatStyle::kYi);
  EXPECT_EQ(find_chat_family("Yi"), nullptr);
  EXPECT_EQ(find_chat_family(""), nullptr);
}

TEST(ChatFamily, FingerprintIsFnv1a) {
  // The published test vectors of FNV-1a, 64 bits.
  EXPECT_EQ(chat_template_fingerprint(""), 0xCBF29CE484222325U);
  EXPECT_EQ(chat_template_fingerprint("foobar"), 0x85944171F73967E8U);
}

TEST(ChatFamily, FingerprintKnowsTheTwoWaysToWriteALineEnd) {
  EXPECT_EQ(chat_template_fingerprint("a\\nb"), chat_template_fingerprint("a\nb\n"));
  EXPECT_NE(chat_template_fingerprint("a\\tb"), chat_template_fingerprint("a\tb"));
}

TEST(ChatFamily, NoFamilyForAnUnknownFingerprint) {
  EXPECT_EQ(find_chat_family_by_fingerprint(1), nullptr);
}

}  // namespace
}  // namespace sluice::runtime
