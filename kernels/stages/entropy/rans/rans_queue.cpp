// SPDX-License-Identifier: Apache-2.0
#include "kernels/stages/entropy/rans/rans_queue.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

#include "kernels/stages/entropy/rans/rans_device.hpp"
#include "kernels/stages/entropy/rans/rans_tables.hpp"

namespace sluice::kernels {
namespace {

// The arrays are `model`'s: it stays until the queue is waited for.
Result<RansModelView> upload_model(DeviceQueue& queue, const RansFlatModel& model) {
  RansModelView view{};
  view.columns = SLUICE_TRY(upload(queue, std::span(model.columns)));
  view.first = SLUICE_TRY(upload(queue, std::span(model.first)));
  view.bits = SLUICE_TRY(upload(queue, std::span(model.bits)));
  view.frequency = SLUICE_TRY(upload(queue, std::span(model.frequency)));
  view.start = SLUICE_TRY(upload(queue, std::span(model.start)));
  return view;
}

}  // namespace

Result<RansWords> rans_encode_on(DeviceQueue& queue, const RansProblem& problem,
                                 const std::uint8_t* symbols) {
  const RansLayout layout = problem.layout();
  const RansFlatModel model(problem.groups, problem.model);
  std::vector<std::uint64_t> last;
  std::uint64_t room = 0;
  for (std::int64_t block = 0; block < layout.blocks(); ++block) {
    room += static_cast<std::uint64_t>(layout.words_max(block));
    last.push_back(room);
  }
  RansEncodeTask task{};
  task.layout = layout;
  task.model = SLUICE_TRY(upload_model(queue, model));
  task.symbols = symbols;
  task.stride = static_cast<std::int64_t>(problem.groups.all_columns);
  task.words = SLUICE_TRY(room_for<std::uint16_t>(queue, room));
  task.words_last = SLUICE_TRY(upload(queue, std::span(last)));
  task.words_used = SLUICE_TRY(room_for<std::uint64_t>(queue, last.size()));
  if (queue.is_cuda()) {
    SLUICE_TRY(rans_encode_on_cuda(task, queue.stream()));
  } else {
    run_on_host(layout.blocks(), RansEncodeBody{task});
  }
  std::vector<std::uint64_t> used(last.size());
  SLUICE_TRY(queue.copy_to_host(task.words_used, used.size() * sizeof used[0], used.data()));
  SLUICE_TRY(queue.wait());

  RansWords coded;
  coded.words_first.push_back(0);
  for (const std::uint64_t count : used) {
    coded.words_first.push_back(coded.words_first.back() + count);
  }
  coded.words.resize(coded.words_first.back());
  for (std::size_t block = 0; block < last.size(); ++block) {
    SLUICE_TRY(queue.copy_to_host(task.words + last[block] - used[block],
                                  used[block] * sizeof(std::uint16_t),
                                  coded.words.data() + coded.words_first[block]));
  }
  SLUICE_TRY(queue.wait());
  return coded;
}

Status rans_decode_on(DeviceQueue& queue, const RansProblem& problem,
                      const std::vector<RansBlockWords>& blocks, std::uint8_t* symbols) {
  const RansFlatModel model(problem.groups, problem.model);
  std::vector<const std::uint16_t*> words;
  std::vector<std::uint64_t> counts;
  for (const RansBlockWords& block : blocks) {
    words.push_back(SLUICE_TRY(upload(queue, std::span(block.words, block.count))));
    counts.push_back(block.count);
  }
  RansDecodeTask task{};
  task.layout = problem.layout();
  task.model = SLUICE_TRY(upload_model(queue, model));
  task.words = SLUICE_TRY(upload(queue, std::span(words)));
  task.words_count = SLUICE_TRY(upload(queue, std::span(counts)));
  task.symbols = symbols;
  task.stride = static_cast<std::int64_t>(problem.groups.all_columns);
  task.is_corrupt = SLUICE_TRY(room_for<std::uint8_t>(queue, blocks.size()));
  if (queue.is_cuda()) {
    SLUICE_TRY(rans_decode_on_cuda(task, queue.stream()));
  } else {
    run_on_host(task.layout.blocks(), RansDecodeBody{task});
  }
  std::vector<std::uint8_t> is_corrupt(blocks.size());
  SLUICE_TRY(queue.copy_to_host(task.is_corrupt, is_corrupt.size(), is_corrupt.data()));
  SLUICE_TRY(queue.wait());
  if (std::count(is_corrupt.begin(), is_corrupt.end(), 0) ==
      static_cast<std::ptrdiff_t>(blocks.size())) {
    return {};
  }
  return make_error(ErrorCode::kCorrupt, "a rANS block does not end where it began");
}

}  // namespace sluice::kernels
