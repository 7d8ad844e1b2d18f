// SPDX-License-Identifier: Apache-2.0
#include "kernels/pipeline/device/plane_place.hpp"

#include <algorithm>

#include "kernels/pipeline/buffers.hpp"

namespace sluice::kernels {
namespace {

class HostPlace final : public PlanePlace {
 public:
  HostPlace(const StageList& stages, Scratch::Buffers& buffers)
      : stages_(stages), buffers_(buffers) {}
  Status load_raw(const KvTile& rows, std::byte* to) override {
    load_bf16(rows, to);
    return {};
  }
  Status store_raw(const KvTile& rows, const std::byte* from) override {
    store_bf16(rows, from);
    return {};
  }
  Result<PlaneSizes> encode(const Plane& plane, const KvTile& rows, FrameWriter& out) override {
    return encode_plane(stages_, plane, rows, out, buffers_);
  }
  Status decode(const Plane& plane, const PlaneBytes& coded, const KvTile& rows) override {
    return decode_plane(stages_, plane, coded, rows, buffers_);
  }

 private:
  const StageList& stages_;
  Scratch::Buffers& buffers_;
};

// A host queue, which tests leave in a scratch, stands for any stream.
Result<DeviceQueue*> queue_for(Scratch::Buffers& buffers, void* stream) {
  const DeviceQueue* has = buffers.queue.get();
  if (has == nullptr || (has->is_cuda() && has->stream() != stream)) {
    buffers.queue = SLUICE_TRY(make_cuda_queue(stream));
  }
  return buffers.queue.get();
}

}  // namespace

std::unique_ptr<PlanePlace> make_host_place(const StageList& stages, Scratch::Buffers& buffers) {
  return std::make_unique<HostPlace>(stages, buffers);
}

bool can_run_on_device(const StageList& stages) {
  return std::all_of(stages.entries.begin(), stages.entries.end(),
                     [](const StageList::Entry& entry) { return entry.row->runs_on_cuda; });
}

Result<PlacedPages> PlacedPages::make(const StageList& stages, const From& from,
                                      Scratch::Buffers& buffers) {
  PlacedPages placed;
  placed.pages_.assign(from.pages.begin(), from.pages.end());
  if (from.memory == MemoryKind::kHost) {
    placed.place_ = make_host_place(stages, buffers);
    return placed;
  }
  placed.queue_ = SLUICE_TRY(queue_for(buffers, from.stream));
  SLUICE_TRY(placed.queue_->clear());
  if (can_run_on_device(stages)) {
    placed.place_ = make_device_place(stages, *placed.queue_);
    placed.is_on_device_ = true;
    return placed;
  }
  placed.place_ = make_host_place(stages, buffers);
  SLUICE_TRY(placed.copy_to_host(from));
  return placed;
}

Status PlacedPages::copy_to_host(const From& from) {
  blocks_.reserve(pages_.size());  // spans of them stay
  for (KvPages& pages : pages_) {
    const auto bytes = static_cast<std::size_t>(pages.block_tokens) * pages.row_bytes();
    auto& blocks = blocks_.emplace_back(pages.blocks.size(), nullptr);
    if (from.row_first < from.row_last) {
      const auto first = static_cast<std::size_t>(from.row_first / pages.block_tokens);
      const auto last = static_cast<std::size_t>((from.row_last - 1) / pages.block_tokens) + 1;
      std::byte* room = SLUICE_TRY(queue_->host_room((last - first) * bytes));
      for (std::size_t block = first; block < last; ++block, room += bytes) {
        SLUICE_TRY(queue_->copy_to_host(pages.blocks[block], bytes, room));
        blocks[block] = room;
        copies_.push_back({pages.blocks[block], room, bytes});
      }
    }
    pages.blocks = blocks;
  }
  return queue_->wait();
}

Status PlacedPages::write_back() {
  if (copies_.empty()) return {};
  for (const CopiedBlock& block : copies_) {
    SLUICE_TRY(queue_->copy_to_device(block.copy, block.bytes, block.original));
  }
  return queue_->wait();
}

}  // namespace sluice::kernels
