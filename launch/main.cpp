// SPDX-License-Identifier: Apache-2.0
// The one program: sluice serve | run | codec | doctor.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <iostream>

#include "launch/codec.hpp"
#include "launch/doctor.hpp"
#include "launch/environment.hpp"
#include "launch/run.hpp"
#include "launch/serve.hpp"

namespace {

void add_serve(CLI::App& app, sluice::launch::ServeOptions& options) {
  CLI::App* serve = app.add_subcommand(
      "serve", "Serve a model: every rank of an mpirun runs this; the file says what each does");
  serve->add_option("config", options.config, "Cluster file (YAML)")->required();
  serve->add_option("--pipeline", options.pipeline,
                    "How KV is encoded: a preset's name or a pipeline file, instead of the cluster "
                    "file's");
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
  app.add_subcommand("doctor", "Say what this machine has, what is missing, and what that costs");
  sluice::launch::CodecOptions codec;
  std::function<int()> chosen;
  add_codec(app, codec, chosen);
  CLI11_PARSE(app, argc, argv);

  if (app.got_subcommand("serve")) return sluice::launch::run_serve(serve);
  if (app.got_subcommand("run")) return sluice::launch::run_run(run);
  if (chosen) return chosen();
  return sluice::launch::run_doctor(std::cout);
}
