// SPDX-License-Identifier: Apache-2.0
// The one program: sluice serve | run | codec | doctor.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "launch/codec.hpp"
#include "launch/decisions.hpp"
#include "launch/diagnose.hpp"
#include "launch/doctor.hpp"
#include "launch/environment.hpp"
#include "launch/eval.hpp"
#include "launch/pair_launch.hpp"
#include "launch/pair_rank.hpp"
#include "launch/profile.hpp"
#include "launch/run.hpp"
#include "launch/serve.hpp"

namespace {

// Not in the help: tests of failures use it.
void add_fault(CLI::App& command, std::string& fault, std::int64_t& rank) {
  command.add_option("--fault", fault)->group("");
  command.add_option("--fault-rank", rank)->group("");
}

void add_serve(CLI::App& app, sluice::launch::ServeOptions& options) {
  CLI::App* serve = app.add_subcommand(
      "serve", "Serve a model: every rank of an mpirun runs this; the file says what each does");
  serve->add_option("config", options.config, "Cluster file (YAML)")->required();
  serve->add_option("--pipeline", options.pipeline,
                    "How KV is encoded: a preset's name or a pipeline file, instead of the cluster "
                    "file's");
  auto* join = serve->add_option("--join", options.join,
                                 "HOST:PORT of a running router (router.join_port): take the place "
                                 "of a worker that ended, without mpirun");
  auto* rank = serve->add_option("--rank", options.rank, "With --join: which rank")
                   ->check(CLI::Range(65535));
  join->needs(rank);
  rank->needs(join);
  add_fault(*serve, options.fault, options.fault_rank);
}

void add_run(CLI::App& app, sluice::launch::RunOptions& options) {
  CLI::App* run = app.add_subcommand(
      "run", "Serve, answer one prompt (or a file of them) on the terminal, print a table, stop");
  run->add_option("config", options.config, "Cluster file (YAML)")->required();
  auto* prompt = run->add_option_group("prompt");
  prompt->add_option("--prompt-file", options.prompt_file, "The prompt: a UTF-8 text file");
  prompt->add_option(
      "--prompts", options.prompts_file,
      "Many prompts: JSON lines, each a string, an array of token ids, or an object");
  prompt->require_option(1);
  run->add_option("--output", options.output_file,
                  "With --prompts: write the answers there, JSON lines with their token ids");
  run->add_option("--tokens-max", options.tokens_max, "Longest answer, in tokens")
      ->capture_default_str();
  run->add_option("--temperature", options.sampling.temperature, "0 is greedy")
      ->capture_default_str();
  run->add_option("--top-p", options.sampling.top_p)->capture_default_str();
  run->add_option("--top-k", options.sampling.top_k, "0 is all")->capture_default_str();
  run->add_option("--seed", options.sampling.seed)->capture_default_str();
  run->add_option("--pipeline", options.pipeline,
                  "How KV is encoded: a preset's name or a pipeline file, instead of the cluster "
                  "file's");
  run->add_option("--question-tokens", options.question_tokens,
                  "Tokens at the prompt's end that are the question, for pipelines that select")
      ->capture_default_str();
  run->add_flag("--raw", options.raw, "The prompt as it is, without the model's chat template");
  run->add_flag("--ignore-end", options.ignore_end, "Go on after an end-of-text token");
  run->add_flag("--local", options.local, "All in this process, without workers or mpirun");
  run->add_flag("--json", options.json, "Print the measurements as JSON instead of a table");
  run->add_flag("--accept-joins", options.accept_joins,
                "Let workers join while it runs, as serve does");
  add_fault(*run, options.fault, options.fault_rank);
}

struct DoctorOptions {
  std::vector<std::string> pair;  // two hosts
  std::vector<std::string> pair_rank;
  sluice::launch::PairOptions how;
};

void add_doctor(CLI::App& app, DoctorOptions& options) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Say what this machine has, what is missing, and what that costs");
  doctor
      ->add_option("--pair", options.pair,
                   "Two hosts: prove by moving data which way they have to each other and what it "
                   "gives; ends with 3 when it is slower than what they have")
      ->expected(2);
  doctor->add_option("--transport", options.how.transport, "With --pair")->capture_default_str();
  doctor
      ->add_option("--patience", options.how.patience_s,
                   "With --pair: seconds for all of it, then it counts as failed")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  // What --pair starts on each host, with the transport as a third word.
  doctor->add_option("--pair-rank", options.pair_rank)->expected(3)->group("");
}

int run_doctor(const DoctorOptions& options) {
  sluice::launch::PairOptions how = options.how;
  if (!options.pair.empty()) {
    how.host_a = options.pair[0];
    how.host_b = options.pair[1];
    return sluice::launch::run_pair(how, std::cout);
  }
  if (!options.pair_rank.empty()) {
    how.host_a = options.pair_rank[0];
    how.host_b = options.pair_rank[1];
    how.transport = options.pair_rank[2];
    return sluice::launch::run_pair_rank(how, std::cout);
  }
  return sluice::launch::run_doctor(std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  sluice::launch::apply_environment_defaults(argv);

  CLI::App app{"Sluice: prefill and decode in different processes, KV caches over RDMA"};
  app.require_subcommand(1);
  app.set_version_flag("--version", SLUICE_VERSION);
  sluice::launch::ServeOptions serve;
  sluice::launch::RunOptions run;
  add_serve(app, serve);
  add_run(app, run);
  DoctorOptions doctor;
  add_doctor(app, doctor);
  sluice::launch::CodecOptions codec;
  std::function<int()> chosen;
  add_codec(app, codec, chosen);
  sluice::launch::DiagnoseOptions diagnose;
  add_diagnose(app, diagnose, chosen);
  sluice::launch::EvalOptions eval;
  add_eval(app, eval, chosen);
  sluice::launch::ProfileOptions profile;
  add_profile(app, profile, chosen);
  sluice::launch::DecisionsOptions decisions;
  add_decisions(app, decisions, chosen);
  CLI11_PARSE(app, argc, argv);

  if (app.got_subcommand("serve")) return sluice::launch::run_serve(serve);
  if (app.got_subcommand("run")) return sluice::launch::run_run(run);
  if (chosen) return chosen();
  return run_doctor(doctor);
}
