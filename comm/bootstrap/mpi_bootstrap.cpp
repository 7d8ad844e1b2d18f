// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

#include "comm/bootstrap/bootstrap.hpp"

#ifdef SLUICE_HAS_MPI
// The C interface only; without this, mpi.h of some versions brings the C++ one in.
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#endif

namespace sluice::comm {

bool started_by_mpi() {
  // Open MPI and PRRTE, MPICH's Hydra and Intel MPI, Slurm's srun with PMI-2 or PMIx.
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

#ifdef SLUICE_HAS_MPI
namespace {

Status check(int result, const char* what) {
  if (result == MPI_SUCCESS) return {};
  char text[MPI_MAX_ERROR_STRING] = "";
  int text_bytes = 0;
  MPI_Error_string(result, text, &text_bytes);
  return make_error(ErrorCode::kInternal, std::string("MPI cannot ") + what + ": " + text);
}

class MpiBootstrap final : public Bootstrap {
 public:
  // Open MPI's own MPI_Finalize waits for the others only where they still answer; a rank that
  // died is the launcher's business.
  ~MpiBootstrap() override {
    int is_finalized = 0;
    MPI_Finalized(&is_finalized);
    if (is_finalized == 0) MPI_Finalize();
  }

  Status start() {
    int is_initialized = 0;
    MPI_Initialized(&is_initialized);
    if (is_initialized == 0) {
      int provided = MPI_THREAD_SINGLE;
      SLUICE_TRY(check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "start"));
    }
    // Errors as values, as everywhere here.
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    int rank = 0;
    int ranks = 0;
    SLUICE_TRY(check(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "tell this process's rank"));
    SLUICE_TRY(check(MPI_Comm_size(MPI_COMM_WORLD, &ranks), "tell how many ranks there are"));
    rank_ = static_cast<NodeId>(rank);
    ranks_ = static_cast<NodeId>(ranks);
    return {};
  }

  NodeId rank() const override { return rank_; }
  NodeId ranks() const override { return ranks_; }

  Result<std::vector<std::vector<std::byte>>> exchange(Bytes mine) override {
    if (std::exchange(is_used_, true)) {
      return make_error(ErrorCode::kInvalidArgument, "a bootstrap exchanges once");
    }
    // A size that MPI cannot carry is told to all, or they would wait for us.
    constexpr std::size_t kBytesMax = 1 << 20;
    const int mine_bytes = mine.size() > kBytesMax ? -1 : static_cast<int>(mine.size());
    std::vector<int> sizes(ranks_);
    SLUICE_TRY(
        check(MPI_Allgather(&mine_bytes, 1, MPI_INT, sizes.data(), 1, MPI_INT, MPI_COMM_WORLD),
              "exchange sizes"));
    std::vector<int> offsets(ranks_);
    std::int64_t total = 0;
    for (NodeId rank = 0; rank < ranks_; ++rank) {
      if (sizes[rank] < 0 || total + sizes[rank] > std::numeric_limits<int>::max()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "rank " + std::to_string(rank) + " has too many bytes to exchange");
      }
      offsets[rank] = static_cast<int>(total);
      total += sizes[rank];
    }
    std::vector<std::byte> all(static_cast<std::size_t>(total));
    SLUICE_TRY(check(MPI_Allgatherv(mine.data(), mine_bytes, MPI_BYTE, all.data(), sizes.data(),
                                    offsets.data(), MPI_BYTE, MPI_COMM_WORLD),
                     "exchange addresses"));
    std::vector<std::vector<std::byte>> given(ranks_);
    for (NodeId rank = 0; rank < ranks_; ++rank) {
      const auto first = all.begin() + offsets[rank];
      given[rank].assign(first, first + sizes[rank]);
    }
    return given;
  }

 private:
  NodeId rank_ = 0;
  NodeId ranks_ = 0;
  bool is_used_ = false;
};

}  // namespace

Result<std::unique_ptr<Bootstrap>> open_mpi_bootstrap() {
  auto bootstrap = std::make_unique<MpiBootstrap>();
  SLUICE_TRY(bootstrap->start());
  return std::unique_ptr<Bootstrap>(std::move(bootstrap));
}

#else

Result<std::unique_ptr<Bootstrap>> open_mpi_bootstrap() {
  return make_error(ErrorCode::kUnsupported, "this build has no MPI");
}

#endif

}  // namespace sluice::comm
