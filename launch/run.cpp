// SPDX-License-Identifier: Apache-2.0
#include "launch/run.hpp"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "launch/prompt_text.hpp"
#include "launch/rank.hpp"
#include "runtime/router/local_generator.hpp"
#include "runtime/router/prompt_lines.hpp"
#include "runtime/telemetry/progress_bar.hpp"
#include "runtime/telemetry/timeline_json.hpp"
#include "runtime/telemetry/timeline_table.hpp"

namespace sluice::launch {
namespace {

runtime::GenerateRequest make_request(const RunOptions& options,
                                      std::vector<runtime::TokenId> prompt) {
  runtime::GenerateRequest request;
  request.prompt = std::move(prompt);
  request.tokens_max = options.tokens_max;
  request.ignore_end = options.ignore_end;
  request.sampling = options.sampling;
  request.question_tokens = options.question_tokens;
  return request;
}

// Streams the answer to standard output, then the measurements.
Status answer_one(const RunOptions& options, runtime::Generator& generator,
                  const LoadedModel& model) {
  const std::string text = SLUICE_TRY(read_prompt(options.prompt_file));
  auto prompt = SLUICE_TRY(encode_prompt(model, text, options.raw));
  auto stream = SLUICE_TRY(generator.submit(make_request(options, std::move(prompt))));
  runtime::StreamDecoder decoder(*model.tokenizer, options.raw);
  while (true) {
    const runtime::GenerateEvent event = SLUICE_TRY(stream->next());
    if (event.finish != runtime::FinishReason::kStop) std::cout << decoder.push(event.token);
    if (event.finish != runtime::FinishReason::kNone) break;
    std::cout << std::flush;
  }
  std::cout << decoder.finish() << "\n\n";
  const runtime::RequestTimeline timeline = stream->timeline();
  std::cout << (options.json ? runtime::timeline_json(timeline) + "\n"
                             : runtime::format_timeline(timeline))
            << std::flush;
  if (!std::cout) {
    return make_error(ErrorCode::kResourceExhausted, "the answer could not be written");
  }
  return {};
}

Result<std::vector<runtime::TokenId>> answer_tokens(runtime::GenerateStream& stream) {
  std::vector<runtime::TokenId> tokens;
  while (true) {
    const runtime::GenerateEvent event = SLUICE_TRY(stream.next());
    tokens.push_back(event.token);
    if (event.finish != runtime::FinishReason::kNone) return tokens;
  }
}

// A raw prompt's answer is appended to it.
std::string answer_text(const runtime::Tokenizer& tokenizer,
                        const std::vector<runtime::TokenId>& tokens, bool raw) {
  runtime::StreamDecoder decoder(tokenizer, raw);
  std::string text;
  for (const runtime::TokenId token : tokens) text += decoder.push(token);
  return text + decoder.finish();
}

// One after the other: this mode compares answers, it does not measure load.
Status answer_many(const RunOptions& options, runtime::Generator& generator,
                   const LoadedModel& model) {
  const std::string text = SLUICE_TRY(read_text(options.prompts_file));
  auto prompts = SLUICE_TRY(runtime::parse_prompt_lines(text));
  std::ofstream file;
  if (!options.output_file.empty()) {
    file.open(options.output_file, std::ios::binary);
    if (!file) {
      return make_error(ErrorCode::kNotFound,
                        "the file " + options.output_file.string() + " cannot be written");
    }
  }
  std::ostream& out = options.output_file.empty() ? std::cout : file;
  runtime::ProgressBar bar(std::cerr, {.label = "answering",
                                       .total = static_cast<std::int64_t>(prompts.size()),
                                       .unit = runtime::ProgressUnit::kCount,
                                       .is_terminal = runtime::stderr_is_terminal()});
  std::int64_t done = 0;
  for (runtime::PromptLine& line : prompts) {
    auto tokens = std::move(line.tokens);
    if (!line.text.empty()) tokens = SLUICE_TRY(encode_prompt(model, line.text, options.raw));
    auto request = make_request(options, std::move(tokens));
    if (!line.pipeline.empty()) request.pipeline = std::move(line.pipeline);
    if (line.question_tokens > 0) request.question_tokens = line.question_tokens;
    auto stream = SLUICE_TRY(generator.submit(std::move(request)));
    const auto answer = SLUICE_TRY(answer_tokens(*stream));
    out << runtime::answer_line(answer, answer_text(*model.tokenizer, answer, options.raw),
                                stream->timeline())
        << std::flush;  // whoever follows the file sees each answer as it comes
    bar.update(++done);
  }
  if (!out) return make_error(ErrorCode::kResourceExhausted, "the answers could not be written");
  return {};
}

Status answer(const RunOptions& options, runtime::Generator& generator, const LoadedModel& model) {
  return options.prompts_file.empty() ? answer_one(options, generator, model)
                                      : answer_many(options, generator, model);
}

Status run_local(const RunOptions& options) {
  const auto config =
      SLUICE_TRY(load_config({.config = options.config, .pipeline = options.pipeline}));
  LoadedModel model = SLUICE_TRY(load_model(config));
  SLUICE_TRY(open_pipelines(model));
  std::unique_ptr<runtime::Generator> generator;
  {
    runtime::ProgressBar bar(std::cerr, {.label = "loading the model",
                                         .total = 100,
                                         .unit = runtime::ProgressUnit::kPercent,
                                         .is_terminal = runtime::stderr_is_terminal()});
    generator = SLUICE_TRY(runtime::create_local_generator(
        *model.file, config, *model.pipelines, model.tokenizer->end_of_text(),
        [&](double done) { bar.update(static_cast<std::int64_t>(100 * done)); }));
  }
  return answer(options, *generator, model);
}

}  // namespace

int run_run(const RunOptions& options) {
  if (!options.local) {
    return run_rank(
        {.config = options.config,
         .pipeline = options.pipeline,
         .accept_joins = options.accept_joins,
         .fault = options.fault,
         .fault_rank = options.fault_rank},
        [&](const Serving& serving) { return answer(options, serving.generator, serving.model); });
  }
  const Status status = run_local(options);
  if (!status) print_error(status.error());
  return status ? 0 : 1;
}

}  // namespace sluice::launch
