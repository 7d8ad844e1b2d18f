// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/core/check.hpp"

namespace sluice::runtime {
namespace {

std::uint64_t mix(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

struct Candidate {
  double weight = 0.0;  // exp((logit - largest) / temperature)
  TokenId token = 0;
};

// Order of a heap: on top what is likelier, at a tie the lower id.
bool is_below(const Candidate& a, const Candidate& b) {
  return a.weight < b.weight || (a.weight == b.weight && a.token > b.token);
}

TokenId largest(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best] || std::isnan(logits[best])) best = i;
  }
  return static_cast<TokenId>(best);
}

std::vector<Candidate> weigh(std::span<const float> logits, double temperature) {
  const double top = logits[static_cast<std::size_t>(largest(logits))];
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    // The largest itself, infinity included, weighs 1.
    const double below = logits[i] == top ? 0.0 : (logits[i] - top) / temperature;
    const double weight = std::exp(below);
    if (weight > 0.0) candidates.push_back({weight, static_cast<TokenId>(i)});
  }
  return candidates;
}

double total_of(std::span<const Candidate> candidates) {
  double total = 0.0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

// The `count` likeliest, or as many of them as reach the share of `total`, likeliest first.
std::vector<Candidate> likeliest(std::vector<Candidate> heap, std::size_t count, double wanted) {
  std::vector<Candidate> kept;
  std::make_heap(heap.begin(), heap.end(), is_below);
  for (double sum = 0.0; !heap.empty() && kept.size() < count && (kept.empty() || sum < wanted);) {
    std::pop_heap(heap.begin(), heap.end(), is_below);
    kept.push_back(heap.back());
    heap.pop_back();
    sum += kept.back().weight;
  }
  return kept;
}

}  // namespace

double uniform_at(std::uint64_t seed, std::uint64_t position) {
  // Mixed once each, so that neighbouring seeds do not give shifted copies of one sequence.
  const std::uint64_t bits = mix(mix(seed) + (position + 1) * 0x9e3779b97f4a7c15U);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

TokenId sample(std::span<const float> logits, const SamplingOptions& options,
               std::int64_t position) {
  SLUICE_CHECK(!logits.empty(), "sampling needs logits");
  if (!(options.temperature > 0.0)) return largest(logits);
  std::vector<Candidate> candidates = weigh(logits, options.temperature);
  if (candidates.empty()) return largest(logits);  // nothing but NaN
  if (options.top_k > 0 && static_cast<std::size_t>(options.top_k) < candidates.size()) {
    const double all = total_of(candidates) * 2;  // never reached: only the count decides
    candidates = likeliest(std::move(candidates), static_cast<std::size_t>(options.top_k), all);
  }
  if (options.top_p < 1.0) {
    const double wanted = options.top_p * total_of(candidates);
    const std::size_t count = candidates.size();
    candidates = likeliest(std::move(candidates), count, wanted);
  }
  double left =
      uniform_at(options.seed, static_cast<std::uint64_t>(position)) * total_of(candidates);
  for (const Candidate& candidate : candidates) {
    left -= candidate.weight;
    if (left < 0.0) return candidate.token;
  }
  return candidates.back().token;  // rounding of the sum
}

}  // namespace sluice::runtime
