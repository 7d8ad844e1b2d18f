// SPDX-License-Identifier: Apache-2.0
// Operating errors as values: what a function that can fail returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "kernels/core/check.hpp"

namespace sluice {

// Chosen by what the caller does about it, not by where it came from.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,    // the user's input is wrong: report, do not retry
  kNotFound,           // a named thing is not there
  kCorrupt,            // bytes that break their own format: reject
  kUnsupported,        // well formed, but not something we do
  kResourceExhausted,  // no memory, slot or credit now: retry later
  kUnavailable,        // a peer is gone: fail over
  kTimeout,            // no answer within the bound: fail over
  kCancelled,          // somebody asked for the end
  kInternal,           // a bug or a failing library
};

// A short word for the code ("corrupt", "not found"): for logs and HTTP bodies.
const char* error_code_name(ErrorCode code);

// `message` is one clear sentence for a person, without a trailing newline.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

inline Error make_error(ErrorCode code, std::string message) { return {code, std::move(message)}; }

// A value or an Error; an API subset of std::expected (C++23), which g++ 12 lacks at C++20.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    SLUICE_CHECK(has_value(), error_text());
    return std::get<0>(state_);
  }
  const T& value() const& {
    SLUICE_CHECK(has_value(), error_text());
    return std::get<0>(state_);
  }
  T&& value() && {
    SLUICE_CHECK(has_value(), error_text());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  const char* error_text() const { return has_value() ? "" : error().message.c_str(); }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  void value() const { SLUICE_CHECK(has_value(), error_->message.c_str()); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace sluice

// The value of `expr`, or return its Error from the enclosing function (which returns a Result).
//   auto spec = SLUICE_TRY(load(path));      SLUICE_TRY(check(spec));
#define SLUICE_TRY(expr)                                                   \
  __extension__({                                                          \
    auto sluice_try_result = (expr);                                       \
    if (!sluice_try_result) return std::move(sluice_try_result).error();   \
    std::move(sluice_try_result).value();                                  \
  })
