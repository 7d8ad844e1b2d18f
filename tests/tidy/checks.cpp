// SPDX-License-Identifier: Apache-2.0
#include "tests/tidy/checks.hpp"

#include <set>
#include <sstream>

namespace sluice::tidy {

const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules{
      {"arrows", "siblings do not include each other, and nothing includes what is above it",
       check_arrows},
      {"dependency", "each third-party library lives in its own folder",
       check_one_dependency_one_folder},
      {"public-header", "no public header names a third-party type", check_public_headers},
      {"backend", "only registries and the device vocabulary ask which backends are compiled",
       check_backend_conditionals},
      {"size", "a file has at most 500 lines of at most 100 columns", check_sizes},
      {"license", "a file begins with its SPDX line", check_license_line},
      {"todo", "a promise in the code names its issue", check_todos},
      {"silence", "libraries neither log nor print", check_library_silence},
      {"environment", "only launch/ reads environment variables", check_environment},
      {"name", "no file or folder is named for being a leftover", check_names},
      {"sleep", "tests do not sleep", check_sleeps},
      {"listed", "every source is listed in a CMakeLists.txt", check_listed_in_cmake},
      {"commented-out", "no build entry is commented out", check_commented_out_cmake},
      {"mirror", "every source has a test of its own", check_mirrored_tests},
  };
  return kRules;
}

Judgement judge(const Rule& rule, const SourceTree& tree,
                const std::vector<std::string>& exceptions) {
  std::set<std::string> excused;
  for (const std::string& line : exceptions) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string name;
    std::string path;
    if (words >> name >> path && name == rule.name) excused.insert(path);
  }
  Judgement judgement;
  std::set<std::string> needed;
  for (Finding& finding : rule.check(tree)) {
    if (excused.count(finding.path) != 0) {
      needed.insert(finding.path);
    } else {
      judgement.broken.push_back(std::move(finding));
    }
  }
  for (const std::string& path : excused) {
    if (needed.count(path) == 0) judgement.unneeded.push_back(path);
  }
  return judgement;
}

}  // namespace sluice::tidy
