// SPDX-License-Identifier: Apache-2.0
// Each rule against a small good and a small bad tree: a rule that cannot fail would be none.
#include "tests/tidy/checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::tidy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// "path:line" of each finding.
std::vector<std::string> places(const Findings& findings) {
  std::vector<std::string> places;
  for (const Finding& finding : findings) {
    places.push_back(finding.path + ":" + std::to_string(finding.line));
  }
  return places;
}

SourceTree tree_of(const std::map<std::string, std::string>& files) {
  SourceTree tree;
  for (const auto& [path, text] : files) tree.emplace(path, split_lines(text));
  return tree;
}

TEST(Arrows, SiblingsAndUpperFoldersAreRefused) {
  const SourceTree tree = tree_of({
      {"kernels/core/a.hpp", ""},
      {"kernels/b.hpp", "#include \"kernels/core/a.hpp\"\n"},
      {"comm/c.cpp", "#include \"kernels/core/a.hpp\"\n#include \"kernels/b.hpp\"\n"},
      {"scheduler/d.cpp", "#include \"comm/c.hpp\"\n#include <comm/c.hpp>\n"},
      {"comm/c.hpp", "#include \"runtime/e.hpp\"\n"},
      {"runtime/e.hpp", "#include \"comm/c.hpp\"\n#  include \"launch/f.hpp\"\n"},
      {"launch/f.hpp", "#include \"runtime/e.hpp\"\n"},
      {"tests/g.cpp", "#include \"launch/f.hpp\"\n"},
  });
  EXPECT_THAT(places(check_arrows(tree)),
              ElementsAre("comm/c.cpp:2", "comm/c.hpp:1", "runtime/e.hpp:2", "scheduler/d.cpp:1"));
}

TEST(Arrows, IncludesAreRootedAtTheRepository) {
  const SourceTree tree =
      tree_of({{"comm/a.cpp", "#include \"a.hpp\"\n// #include \"b.hpp\"\n"}, {"comm/a.hpp", ""}});
  EXPECT_THAT(places(check_arrows(tree)), ElementsAre("comm/a.cpp:1"));
}

TEST(Dependencies, EachHasItsFolder) {
  const SourceTree tree = tree_of({
      {"comm/ucx/a.cpp", "#include <ucp/api/ucp.h>\n"},
      {"comm/b.cpp", "#include <ucp/api/ucp.h>\n"},
      {"comm/ucx_like/c.cpp", "#include <ucp/api/ucp.h>\n"},
      {"runtime/kv/d.cpp", "#include <torch/torch.h>\n"},
      {"runtime/engine/e.cpp", "#include <ATen/ATen.h>\n"},
      {"scheduler/f.cpp", "#include <vector>\n#include <mpi.h>\n"},
      {"tests/g_test.cpp", "#include <torch/torch.h>\n"},
  });
  EXPECT_THAT(places(check_one_dependency_one_folder(tree)),
              ElementsAre("comm/b.cpp:1", "comm/ucx_like/c.cpp:1", "runtime/kv/d.cpp:1",
                          "scheduler/f.cpp:2"));
}

TEST(PublicHeaders, NameNoThirdPartyType) {
  const SourceTree tree = tree_of({
      {"runtime/engine/CMakeLists.txt",
       "sluice_library(engine\n  HEADERS a.hpp\n    b.hpp c.hpp\n  SOURCES d.cpp inner.hpp)\n"},
      {"runtime/engine/a.hpp", "#include <torch/torch.h>\n"},
      {"runtime/engine/b.hpp", "// at::Tensor in a comment\nvoid f(at::Tensor t);\n"},
      {"runtime/engine/c.hpp", "void g(format::Tensor t);  // \n"},
      {"runtime/engine/inner.hpp", "at::Tensor h();\n"},
  });
  EXPECT_THAT(places(check_public_headers(tree)),
              ElementsAre("runtime/engine/a.hpp:1", "runtime/engine/b.hpp:2"));
}

TEST(Backends, AreAskedForInRegistriesOnly) {
  const SourceTree tree = tree_of({
      {"comm/registry.cpp", "#if SLUICE_HAS_UCX\n#endif\n"},
      {"kernels/core/device.cpp", "#ifdef SLUICE_CUDA\n"},
      {"runtime/kv/a.cpp", "#ifdef SLUICE_CUDA\n#endif\n"},
  });
  EXPECT_THAT(places(check_backend_conditionals(tree)), ElementsAre("runtime/kv/a.cpp:1"));
}

TEST(Sizes, CountLinesAndCharacters) {
  std::string long_file;
  for (int i = 0; i < 501; ++i) long_file += "\n";
  std::string accents;
  for (int i = 0; i < 100; ++i) accents += "\xc3\xa9";  // 100 columns in 200 bytes
  const SourceTree tree = tree_of({
      {"comm/long.cpp", long_file},
      {"comm/wide.cpp", "\n" + std::string(101, 'x') + "\n"},
      {"comm/good.cpp", std::string(100, 'x') + "\n" + accents + "\n"},
  });
  EXPECT_THAT(places(check_sizes(tree)), ElementsAre("comm/long.cpp:0", "comm/wide.cpp:2"));
}

TEST(License, IsTheFirstLineOrTheOneAfterTheInterpreter) {
  const std::string spdx = "SPDX-License-Identifier: Apache-2.0\n";
  const SourceTree tree = tree_of({
      {"comm/a.cpp", "// " + spdx},
      {"comm/b.cpp", "\n// " + spdx},
      {"comm/c.cpp", ""},
      {"launch/setup", "#!/bin/bash\n# " + spdx},
      {"launch/test", "#!/bin/bash\nset -e\n"},
  });
  EXPECT_THAT(places(check_license_line(tree)),
              ElementsAre("comm/b.cpp:1", "comm/c.cpp:1", "launch/test:2"));
}

TEST(Todos, NameTheirIssue) {
  const std::string word = "TO" "DO";
  const SourceTree tree = tree_of({
      {"comm/a.cpp", "// " + word + ": later\n// " + word + "(#12): later\n// " + word + "(me)\n"},
      {"comm/b.cpp", "int PHOTO" "DOCK = 0;\n"},
  });
  EXPECT_THAT(places(check_todos(tree)), ElementsAre("comm/a.cpp:1", "comm/a.cpp:3"));
}

TEST(Silence, HoldsInLibrariesAndNotInText) {
  const SourceTree tree = tree_of({
      {"comm/a.cpp",
       "std::cerr << x;\nlog(\"std::cerr\");\nsnprintf(b, 1, \"\");\nprintf(\"\");\n"},
      {"launch/b.cpp", "std::cout << x;\n"},
  });
  EXPECT_THAT(places(check_library_silence(tree)), ElementsAre("comm/a.cpp:1", "comm/a.cpp:4"));
}

TEST(Environment, IsReadInLaunchOnly) {
  const SourceTree tree = tree_of({
      {"comm/a.cpp", "auto* x = std::getenv(\"HOME\");\n// getenv(\n"},
      {"launch/b.cpp", "auto* x = std::getenv(\"HOME\");\n"},
  });
  EXPECT_THAT(places(check_environment(tree)), ElementsAre("comm/a.cpp:1"));
}

TEST(Sleeps, AreRefusedInTests) {
  const SourceTree tree = tree_of({
      {"tests/a.cpp", "std::this_thread::sleep_for(1s);\n"},
      {"comm/b.cpp", "std::this_thread::sleep_for(1s);\n"},
  });
  EXPECT_THAT(places(check_sleeps(tree)), ElementsAre("tests/a.cpp:1"));
}

TEST(Names, SayWhatAFileIsFor) {
  const SourceTree tree = tree_of(
      {{"comm/utils/a.cpp", ""}, {"comm/block_manager.hpp", ""}, {"comm/communicator.cpp", ""}});
  EXPECT_THAT(places(check_names(tree)),
              ElementsAre("comm/block_manager.hpp:0", "comm/utils/a.cpp:0"));
}

TEST(Listing, IsInTheFoldersFileOrOneAbove) {
  const SourceTree tree = tree_of({
      {"comm/CMakeLists.txt", "x(SOURCES registry.cpp ucx/b.cpp\n  # c.cpp\n  xd.cpp)\n"},
      {"comm/registry.cpp", ""},
      {"comm/ucx/b.cpp", ""},
      {"comm/c.cpp", ""},
      {"comm/d.cpp", ""},
  });
  EXPECT_THAT(places(check_listed_in_cmake(tree)), ElementsAre("comm/c.cpp:0", "comm/d.cpp:0"));
}

TEST(CommentedOut, CommandsAndSourcesAreSeen) {
  const SourceTree tree = tree_of({
      {"CMakeLists.txt",
       "# add_subdirectory(old)\n#   a.cpp\n# sluice_test(NAME ...): what it does\n"
       "# Prose (with a bracket) about find_package(x).\nadd_subdirectory(new)  # why\n"
       "# seeds() (see above). They are files.\n# set(a\n#   b)\n"},
  });
  EXPECT_THAT(places(check_commented_out_cmake(tree)),
              ElementsAre("CMakeLists.txt:1", "CMakeLists.txt:2", "CMakeLists.txt:7"));
}

TEST(Mirrors, EverySourceHasItsTest) {
  const SourceTree tree = tree_of({
      {"comm/ucx/a.cpp", ""},
      {"comm/ucx/b.cpp", ""},
      {"comm/ucx/b.hpp", ""},
      {"launch/main.cpp", ""},
      {"tests/comm/ucx/a_test.cpp", ""},
  });
  EXPECT_THAT(places(check_mirrored_tests(tree)), ElementsAre("comm/ucx/b.cpp:0"));
}

TEST(Judge, ExcusesWhatIsListedAndReportsWhatNeedNotBe) {
  const SourceTree tree = tree_of({{"comm/a.cpp", ""}, {"comm/b.cpp", ""}});
  const Rule rule{"mirror", "", check_mirrored_tests};
  const Judgement judgement =
      judge(rule, tree, {"# mirror comm/b.cpp", "mirror comm/a.cpp  # why", "mirror comm/gone.cpp",
                         "listed comm/b.cpp"});
  EXPECT_THAT(places(judgement.broken), ElementsAre("comm/b.cpp:0"));
  EXPECT_THAT(judgement.unneeded, ElementsAre("comm/gone.cpp"));
}

TEST(Rules, AnEmptyTreeBreaksNone) {
  for (const Rule& rule : rules()) EXPECT_THAT(rule.check({}), IsEmpty()) << rule.name;
}

}  // namespace
}  // namespace sluice::tidy
