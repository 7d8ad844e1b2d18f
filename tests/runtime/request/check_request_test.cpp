// SPDX-License-Identifier: Apache-2.0
#include "runtime/request/check_request.hpp"

#include <gtest/gtest.h>

namespace sluice::runtime {
namespace {

constexpr RequestLimits kLimits{.context_tokens = 10, .vocab = 100};

GenerateRequest request(std::vector<TokenId> prompt, std::int64_t tokens_max) {
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.tokens_max = tokens_max;
  return request;
}

TEST(CheckRequest, WhatFitsPasses) {
  EXPECT_TRUE(check_request(request({0, 99}, 8), kLimits).has_value());
}

TEST(CheckRequest, EachReasonIsNamed) {
  const auto reason = [](const GenerateRequest& bad) {
    const Status status = check_request(bad, kLimits);
    EXPECT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    return status.error().message;
  };
  EXPECT_EQ(reason(request({}, 1)), "the prompt is empty");
  EXPECT_EQ(reason(request({1}, 0)), "the answer must have at least one token");
  EXPECT_NE(reason(request({1, 100}, 1)).find("token id 100"), std::string::npos);
  EXPECT_NE(reason(request({-1}, 1)).find("token id -1"), std::string::npos);
  EXPECT_EQ(reason(request({1, 2}, 9)),
            "the prompt has 2 tokens and the answer may have 9: together more than the context of "
            "10");
  GenerateRequest asking = request({1, 2}, 1);
  asking.question_tokens = 3;
  EXPECT_EQ(reason(asking), "the question has 3 tokens and the prompt 2");
  asking.question_tokens = -1;
  EXPECT_NE(reason(asking).find("the question has -1"), std::string::npos);
  EXPECT_NE(reason(request({1}, INT64_MAX)).find("context"), std::string::npos);
}

}  // namespace
}  // namespace sluice::runtime
