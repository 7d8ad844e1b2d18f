// SPDX-License-Identifier: Apache-2.0
// The body on the CPU: what runs where there are no vectors, and what tests compare with.
#include <algorithm>

#include "kernels/stages/entropy/rans/rans_body.hpp"
#include "kernels/stages/entropy/rans/rans_coder.hpp"
#include "kernels/stages/entropy/rans/rans_device.hpp"
#include "kernels/stages/entropy/rans/rans_tables.hpp"

namespace sluice::kernels {

RansWords rans_encode_plain(const RansProblem& problem, const std::uint8_t* symbols) {
  const RansLayout layout = problem.layout();
  const RansFlatModel model(problem.groups, problem.model);
  std::vector<std::uint64_t> last;
  std::uint64_t room = 0;
  for (std::int64_t block = 0; block < layout.blocks(); ++block) {
    room += static_cast<std::uint64_t>(layout.words_max(block));
    last.push_back(room);
  }
  std::vector<std::uint16_t> words(room);
  std::vector<std::uint64_t> used(last.size());
  run_on_host(layout.blocks(),
              RansEncodeBody{{.layout = layout,
                              .model = model.view(),
                              .symbols = symbols,
                              .stride = static_cast<std::int64_t>(problem.groups.all_columns),
                              .words = words.data(),
                              .words_last = last.data(),
                              .words_used = used.data()}});
  RansWords coded;
  coded.words_first.push_back(0);
  for (std::size_t block = 0; block < last.size(); ++block) {
    const std::uint16_t* end = words.data() + last[block];
    coded.words.insert(coded.words.end(), end - used[block], end);
    coded.words_first.push_back(coded.words.size());
  }
  return coded;
}

bool rans_decode_plain(const RansProblem& problem, const std::vector<RansBlockWords>& blocks,
                       std::uint8_t* symbols) {
  const RansFlatModel model(problem.groups, problem.model);
  std::vector<const std::uint16_t*> words;
  std::vector<std::uint64_t> counts;
  for (const RansBlockWords& block : blocks) {
    words.push_back(block.words);
    counts.push_back(block.count);
  }
  std::vector<std::uint8_t> is_corrupt(blocks.size());
  run_on_host(static_cast<std::int64_t>(blocks.size()),
              RansDecodeBody{{.layout = problem.layout(),
                              .model = model.view(),
                              .words = words.data(),
                              .words_count = counts.data(),
                              .symbols = symbols,
                              .stride = static_cast<std::int64_t>(problem.groups.all_columns),
                              .is_corrupt = is_corrupt.data()}});
  return std::count(is_corrupt.begin(), is_corrupt.end(), 0) ==
         static_cast<std::ptrdiff_t>(blocks.size());
}

#if !defined(SLUICE_CUDA)
Status rans_decode_on_cuda(const RansDecodeTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
Status rans_encode_on_cuda(const RansEncodeTask& /*task*/, void* /*stream*/) {
  return make_error(ErrorCode::kUnsupported, "this build of Sluice has no CUDA");
}
#endif

}  // namespace sluice::kernels
