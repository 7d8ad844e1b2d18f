// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/transform/hadamard/rotation.hpp"

#include "kernels/stages/transform/hadamard/hadamard_device.hpp"

namespace sluice::kernels {
namespace {

// SplitMix64's output function (Steele, Lea and Flood 2014) of its state after `index` + 1 steps.
std::uint64_t random_bits(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

HadamardTask task_of(ConstMatrix from, Matrix to, std::int64_t block) {
  HadamardTask task;
  task.from = from.data;
  task.from_stride = from.stride;
  task.to = to.data;
  task.to_stride = to.stride;
  task.rows = from.rows;
  task.columns = from.columns;
  task.size = block;
  return task;
}

Status run_on(DeviceQueue& queue, const HadamardTask& task) {
  if (queue.is_cuda()) return hadamard_on_cuda(task, queue.stream());
  run_on_host(task.rows * (task.columns / task.size), HadamardBody{task});
  return {};
}

}  // namespace

Rotation::Rotation(std::int64_t columns, std::int64_t head_dim, bool has_signs, std::uint64_t seed)
    : block_(1) {
  const std::int64_t width = head_dim > 0 && columns % head_dim == 0 ? head_dim : columns;
  if (width > 0) block_ = power_of_two_within(width);
  const float norm = hadamard_norm(block_);
  norm_.assign(static_cast<std::size_t>(columns), norm);
  before_ = norm_;
  if (!has_signs) return;
  signs_.resize(before_.size());
  for (std::size_t c = 0; c < signs_.size(); ++c) {
    const std::uint64_t channel = c % static_cast<std::size_t>(width);
    signs_[c] = (random_bits(seed, channel) & 1U) != 0 ? -1.0F : 1.0F;
    before_[c] = norm * signs_[c];
  }
}

void Rotation::forward(ConstMatrix from, Matrix to) const {
  HadamardTask task = task_of(from, to, block_);
  task.before = before_.data();
  hadamard_on_host(task);
}

void Rotation::inverse(ConstMatrix from, Matrix to) const {
  HadamardTask task = task_of(from, to, block_);
  task.before = norm_.data();
  task.after = signs_.empty() ? nullptr : signs_.data();
  hadamard_on_host(task);
}

Status Rotation::forward_on(DeviceQueue& queue, ConstMatrix from, Matrix to) const {
  HadamardTask task = task_of(from, to, block_);
  task.before = SLUICE_TRY(upload(queue, std::span(before_)));
  return run_on(queue, task);
}

Status Rotation::inverse_on(DeviceQueue& queue, ConstMatrix from, Matrix to) const {
  HadamardTask task = task_of(from, to, block_);
  task.before = SLUICE_TRY(upload(queue, std::span(norm_)));
  if (!signs_.empty()) task.after = SLUICE_TRY(upload(queue, std::span(signs_)));
  return run_on(queue, task);
}

}  // namespace sluice::kernels
