// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/quantize/uniform/uniform_level.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#define HWY_TARGET_INCLUDE "kernels/stages/quantize/uniform/uniform_level.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/stages/quantize/levels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sluice::kernels::HWY_NAMESPACE {
namespace {

void encode_row(const UniformStep& step, const float* values, std::size_t count,
                std::uint8_t* symbols) {
  const FloatTag d;
  const auto inverse = hn::Set(d, step.inverse);
  const auto dead_zone = hn::Set(d, step.dead_zone);
  const auto vector = [=](std::size_t i) HWY_ATTR {
    const auto value = hn::LoadU(d, values + i);
    auto level = hn::Sub(hn::Mul(hn::Abs(value), inverse), dead_zone);
    // Anything up to 127.5 rounds into reach (a tie goes to 128); what is more counts as 128.
    level = hn::Min(hn::Max(level, hn::Zero(d)), hn::Set(d, 128.0F));
    const auto number =
        hn::Sub(hn::BitCast(IntTag(), nearest_level(level)), hn::Set(IntTag(), 0x4B000000));
    const auto sign = hn::ShiftRight<31>(hn::BitCast(IntTag(), value));  // 0 or -1
    const auto symbol =
        hn::Add(hn::Sub(hn::Xor(number, sign), sign), hn::Set(IntTag(), kUniformReach));
    const auto is_beyond = hn::Gt(number, hn::Set(IntTag(), kUniformReach));
    return hn::BitCast(WordTag(),
                       hn::IfThenElse(is_beyond, hn::Set(IntTag(), kUniformEscape), symbol));
  };
  const auto one = [=, &step](std::size_t i) {
    const std::int32_t number = uniform_number(values[i], step);
    const bool is_beyond = number < -kUniformReach || number > kUniformReach;
    return is_beyond ? kUniformEscape : static_cast<std::uint8_t>(number + kUniformReach);
  };
  symbols_of_span(count, 0xff, symbols, vector, one);
}

void decode_row(const UniformStep& step, const std::uint8_t* symbols, std::size_t count,
                float* values) {
  const FloatTag d;
  const auto vector = [=](std::size_t i) HWY_ATTR {
    const auto number =
        hn::Sub(load_levels(symbols + i), hn::Set(d, static_cast<float>(kUniformReach)));
    auto size = hn::Max(hn::Sub(hn::Abs(number), hn::Set(d, step.shrink)), hn::Zero(d));
    size = hn::Min(hn::Mul(size, hn::Set(d, step.step)), hn::Set(d, kUniformValueMax));
    return hn::Or(size, hn::And(number, hn::Set(d, -0.0F)));
  };
  const auto one = [=, &step](std::size_t i) {
    return uniform_value(std::int32_t{symbols[i]} - kUniformReach, step);
  };
  values_of_span(count, values, vector, one);
}

}  // namespace
}  // namespace sluice::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::kernels {

HWY_EXPORT(encode_row);
HWY_EXPORT(decode_row);

void uniform_encode_row(const UniformStep& step, const float* values, std::size_t count,
                        std::uint8_t* symbols) {
  HWY_DYNAMIC_DISPATCH(encode_row)(step, values, count, symbols);
}

void uniform_decode_row(const UniformStep& step, const std::uint8_t* symbols, std::size_t count,
                        float* values) {
  HWY_DYNAMIC_DISPATCH(decode_row)(step, symbols, count, values);
}

}  // namespace sluice::kernels
#endif
