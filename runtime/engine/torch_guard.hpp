// SPDX-License-Identifier: Apache-2.0
// LibTorch's exceptions end here: calls into it run inside guard_torch().
#pragma once

#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

#include "kernels/core/result.hpp"

namespace sluice::runtime {

// `call` returns a Result; what it throws becomes one, with `doing` ("computing a prompt") in it.
template <class Call>
auto guard_torch_gradients(const char* doing, const Call& call) -> decltype(call()) {
  try {
    return call();
  } catch (const c10::OutOfMemoryError&) {
    return make_error(ErrorCode::kResourceExhausted,
                      std::string("the device's memory is used up while ") + doing);
  } catch (const c10::Error& error) {
    std::string why = error.what_without_backtrace();
    why = why.substr(0, why.find('\n'));
    const bool is_memory = why.find("allocate memory") != std::string::npos;
    return make_error(is_memory ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
                      std::string("LibTorch failed while ") + doing + ": " + why);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::kResourceExhausted,
                      std::string("memory is used up while ") + doing);
  } catch (const std::exception& error) {
    return make_error(ErrorCode::kInternal,
                      std::string("LibTorch failed while ") + doing + ": " + error.what());
  }
}

// As above, for all that needs no gradients.
template <class Call>
auto guard_torch(const char* doing, const Call& call) -> decltype(call()) {
  return guard_torch_gradients(doing, [&call] {
    const c10::InferenceMode no_autograd;
    return call();
  });
}

}  // namespace sluice::runtime
