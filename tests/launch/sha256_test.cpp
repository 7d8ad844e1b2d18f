// SPDX-License-Identifier: Apache-2.0
#include "launch/sha256.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace sluice::launch {
namespace {

std::string hash_of(std::string_view text) {
  Sha256 hash;
  hash.update(as_bytes(text));
  return hash.finish();
}

// The examples of FIPS 180-4's companion "SHA256.pdf", and the empty message.
TEST(Sha256, PublishedExamples) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesDoNotMatter) {
  const std::string text(1000, 'x');
  for (const std::size_t piece : {1U, 55U, 56U, 63U, 64U, 65U, 999U}) {
    Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      hash.update(as_bytes(std::string_view(text).substr(at, piece)));
    }
    EXPECT_EQ(hash.finish(), hash_of(text)) << piece;
  }
}

TEST(Sha256, OfAFile) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "sluice_sha256_test";
  std::ofstream(path) << "abc";
  const Result<std::string> hash = sha256_of_file(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(hash.has_value());
  EXPECT_EQ(*hash, hash_of("abc"));
  EXPECT_FALSE(sha256_of_file("/nowhere/file").has_value());
  EXPECT_FALSE(sha256_of_file("/").has_value());
}

}  // namespace
}  // namespace sluice::launch
