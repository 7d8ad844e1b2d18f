// SPDX-License-Identifier: Apache-2.0
// How the two processes are started, and whole runs of them on this machine.
#include "launch/pair_launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "comm/bootstrap/environment.hpp"

namespace sluice::launch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PairCommand, OneProcessAHost) {
  const PairOptions options = {.host_a = "left", .host_b = "right", .rank_command = {"probe"}};
  EXPECT_EQ(pair_command(options, false, {"UCX_TLS"}),
            (std::vector<std::string>{"mpirun", "-n", "2", "--host", "left,right", "--map-by",
                                      "node", "--bind-to", "none", "-x", "UCX_TLS", "probe", "left",
                                      "right", "ucx"}));
  const PairOptions same = {.host_a = "vm", .host_b = "vm", .rank_command = {"probe"}};
  EXPECT_THAT(pair_command(same, true, {}),
              AllOf(::testing::Contains("vm:2"), ::testing::Contains("--allow-run-as-root")));
}

TEST(HostName, IsOneName) {
  for (const char* name : {"localhost", "node-7.rack_2", "10.0.0.1"}) {
    EXPECT_TRUE(check_host_name(name)) << name;
  }
  for (const char* name : {"", "-x", "a,b", "a b", "a;b", "a:2"}) {
    EXPECT_FALSE(check_host_name(name)) << name;
  }
}

TEST(ExplainFailure, FindsTheTellingLine) {
  const PairOptions options = {.host_a = "left", .host_b = "right"};
  EXPECT_EQ(explain_failure("noise\nsluice: right said nothing\n-----\n", 1, options),
            "right said nothing");
  EXPECT_EQ(explain_failure("\n-----\nsomething else\n"
                            "ssh: Could not resolve hostname right: Name or service not known\n",
                            1, options),
            "mpirun could not run the two processes on left and right: ssh: Could not resolve "
            "hostname right: Name or service not known");
  EXPECT_THAT(explain_failure("-----\nmpirun noticed that process rank 1 with PID 7 on node right "
                              "exited on signal 9 (Killed).\n",
                              137, options),
              HasSubstr("rank 1"));
  EXPECT_THAT(explain_failure("Primary job terminated normally\n", 137, options),
              HasSubstr("on left and right: one of them was ended by signal 9"));
  EXPECT_THAT(explain_failure("Primary job terminated normally\n", 1, options),
              HasSubstr("on left and right: Primary job"));
  EXPECT_THAT(explain_failure("", 1, options), HasSubstr("it says nothing"));
}

class PairRun : public ::testing::Test {
 protected:
  // As launch/environment.cpp has it.
  void SetUp() override {
    for (const auto& [name, value] : comm::mpi_environment_defaults()) setenv(name, value, 0);
    unsetenv("UCX_TLS");
  }
  void TearDown() override { unsetenv("UCX_TLS"); }

  // The status; what is printed is in out and error.
  int run(const PairOptions& options) {
    std::ostringstream text;
    ::testing::internal::CaptureStderr();
    const int status = run_pair(options, text);
    error_ = ::testing::internal::GetCapturedStderr();
    out_ = text.str();
    return status;
  }
  // On this machine; `shell` runs before the second process becomes one.
  int run_here(const std::string& shell = "", int patience_s = 100) {
    PairOptions options = {.host_a = "localhost", .host_b = "localhost", .patience_s = patience_s};
    options.rank_command = {SLUICE_PAIR_RANK};
    if (!shell.empty()) {
      options.rank_command = {
          "sh", "-c", "[ \"$OMPI_COMM_WORLD_RANK\" = 0 ] || { " + shell + "; }; exec \"$0\" \"$@\"",
          SLUICE_PAIR_RANK};
    }
    return run(options);
  }

  std::string out_;
  std::string error_;
};

TEST_F(PairRun, SharedMemoryOnOneHostIsFine) {
  EXPECT_EQ(run_here(), 0) << out_ << error_;
  EXPECT_THAT(
      out_, AllOf(HasSubstr("A localhost -> B localhost"), HasSubstr("B localhost -> A localhost"),
                  HasSubstr("shared memory ("), HasSubstr("put, 64 KiB"), HasSubstr("put, 16 MiB"),
                  HasSubstr("us there and back"),
                  HasSubstr("localhost and localhost can serve together")));
}

TEST_F(PairRun, TcpOnOneHostIsALoudWarning) {
  setenv("UCX_TLS", "tcp,self", 1);
  EXPECT_EQ(run_here(), 3) << out_ << error_;
  EXPECT_THAT(out_,
              AllOf(HasSubstr("SLOW     path"), HasSubstr("TCP (tcp/"),
                    HasSubstr("although both processes are on one host"),
                    HasSubstr("unset UCX_TLS, which is \"tcp,self\""), HasSubstr("WARNING: ")));
}

TEST_F(PairRun, ADeadProcessIsOneSentence) {
  EXPECT_EQ(run_here("kill -9 $$"), 1);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(error_, HasSubstr("signal 9"));
  EXPECT_EQ(std::count(error_.begin(), error_.end(), '\n'), 1) << error_;
}

TEST_F(PairRun, AHangEndsWithThePatience) {
  EXPECT_EQ(run_here("exec sleep 1000", 2), 1);
  EXPECT_EQ(error_.find("sluice: no report from localhost and localhost within 2 s"), 0U) << error_;
  EXPECT_EQ(std::count(error_.begin(), error_.end(), '\n'), 1) << error_;
}

TEST_F(PairRun, AWrongHostIsOneSentence) {
  EXPECT_EQ(run({.host_a = "localhost", .host_b = "-np"}), 1);
  EXPECT_EQ(error_, "sluice: \"-np\" cannot be the name of a host\n");
  PairOptions options = {.host_a = "localhost", .host_b = "no-such-host.invalid"};
  options.rank_command = {SLUICE_PAIR_RANK};
  EXPECT_EQ(run(options), 1);
  EXPECT_EQ(std::count(error_.begin(), error_.end(), '\n'), 1) << error_;
  EXPECT_THAT(error_, HasSubstr("no-such-host.invalid"));
}

TEST_F(PairRun, ATransportThatThereIsNotIsOneSentence) {
  PairOptions options = {.host_a = "localhost", .host_b = "localhost", .transport = "pigeon"};
  options.rank_command = {SLUICE_PAIR_RANK};
  EXPECT_EQ(run(options), 1);
  EXPECT_EQ(error_.find("sluice: no transport is called \"pigeon\""), 0U) << error_;
}

}  // namespace
}  // namespace sluice::launch
