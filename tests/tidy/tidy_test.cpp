// SPDX-License-Identifier: Apache-2.0
// The house rules, held against this repository.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/tidy/checks.hpp"
#include "tests/tidy/source_tree.hpp"

namespace sluice::tidy {
namespace {

class Tidy : public testing::TestWithParam<Rule> {};

TEST_P(Tidy, Holds) {
  static const SourceTree kTree = read_source_tree(SLUICE_SOURCE_DIR);
  ASSERT_GT(kTree.size(), 50U) << "the tree was not found";
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/tests/tidy/exceptions.txt");
  ASSERT_TRUE(file) << "the list of exceptions was not found";
  const std::string text{std::istreambuf_iterator<char>(file), {}};

  const Judgement judgement = judge(GetParam(), kTree, split_lines(text));
  for (const Finding& finding : judgement.broken) {
    ADD_FAILURE() << finding.path << ":" << finding.line << ": " << finding.what << "\n  rule: "
                  << GetParam().sentence;
  }
  for (const std::string& path : judgement.unneeded) {
    ADD_FAILURE() << "tests/tidy/exceptions.txt excuses '" << GetParam().name << " " << path
                  << "', which is not needed any more: remove that line";
  }
}

std::string name_of(const testing::TestParamInfo<Rule>& rule) {
  std::string name;
  for (const char c : rule.param.name) name += c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Rules, Tidy, testing::ValuesIn(rules()), name_of);

}  // namespace
}  // namespace sluice::tidy
