// SPDX-License-Identifier: Apache-2.0
// Outcomes on disk, a JSON line for each, appended as it comes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "kernels/core/result.hpp"
#include "runtime/evaluation/outcome.hpp"

namespace sluice::runtime {

// One JSON object without line breaks; kCorrupt: not one, or a field of another type. Fields that
// are not known are passed over, those that lack are as in Outcome{}.
std::string outcome_line(const Outcome& outcome);
Result<Outcome> parse_outcome(const std::string& line);

class OutcomeFile {
 public:
  // Made if it is not there. A last line that a stop cut off is removed; kCorrupt names any other
  // that is not an outcome.
  static Result<OutcomeFile> open(const std::filesystem::path& path);
  OutcomeFile(OutcomeFile&&) noexcept;
  OutcomeFile& operator=(OutcomeFile&&) noexcept;
  ~OutcomeFile();

  // Null: not measured yet. Valid as long as the file is open.
  const Outcome* find(const std::string& key) const;
  // On disk, as far as the system is concerned, when it returns. One thread at a time.
  Status append(const Outcome& outcome);

 private:
  struct Parts;
  explicit OutcomeFile(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::runtime
