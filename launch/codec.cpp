// SPDX-License-Identifier: Apache-2.0
#include "launch/codec.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "kernels/pipeline/stage_list.hpp"
#include "kernels/stages/registry.hpp"
#include "launch/codec_calibrate.hpp"
#include "launch/codec_paths.hpp"
#include "launch/prompt_text.hpp"
#include "launch/rank.hpp"
#include "runtime/codec/cache_report.hpp"
#include "runtime/codec/coded_cache.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/codec/preset_table.hpp"
#include "runtime/config/pipeline_config.hpp"
#include "runtime/engine/engine_options.hpp"

namespace sluice::launch {
namespace {

Status list(const CodecOptions&) {
  std::cout << "Stages, in the order in which a pipeline may use them. Pages on a GPU are coded "
               "there if all of a pipeline's stages say cuda:\n";
  for (const kernels::StageRow& row : kernels::stage_table()) {
    std::cout << fmt::format("  {:<10} {:<20} {:<4} {}\n", kernels::stage_role_name(row.role),
                             row.name, row.runs_on_cuda ? "cuda" : "", row.summary);
    for (const kernels::ParameterRow& parameter : row.parameters) {
      if (*parameter.summary == '\0') continue;
      std::cout << fmt::format("  {:<10}   {:<18}      {}\n", "", parameter.name,
                               parameter.summary);
    }
  }
  std::cout << "\nPresets (" << presets_folder().string() << "):\n";
  for (const std::string& name : runtime::preset_names(presets_folder())) {
    const auto spec = SLUICE_TRY(runtime::find_preset(name, presets_folder()));
    std::cout << fmt::format("  {:<20} {}\n", name, spec.summary);
  }
  return {};
}

Result<std::unique_ptr<const kernels::Pipeline>> make_pipeline(
    const std::string& name, const kernels::CacheShape& shape,
    std::shared_ptr<const kernels::Profile> profile) {
  const auto spec = SLUICE_TRY(runtime::find_pipeline(name, presets_folder()));
  return kernels::Pipeline::create(spec, shape, std::move(profile));
}

Status dump(const CodecOptions& options) {
  runtime::ClusterConfig config;
  config.model.path = options.model;
  const LoadedModel model = SLUICE_TRY(load_model(config));
  const std::string text = SLUICE_TRY(read_prompt(options.prompt_file));
  const auto prompt = SLUICE_TRY(encode_prompt(model, text, options.raw));
  const auto engine_options = SLUICE_TRY(runtime::engine_options("cpu", "auto", 0));
  const auto engine = SLUICE_TRY(runtime::PrefillEngine::create(*model.file, engine_options, {}));
  runtime::PrefillCacheOptions prefill;
  prefill.window_tokens = options.window_tokens;
  const auto requests = runtime::RepeatRequests::make(*model.tokenizer);
  if (options.repeat) prefill.repeat = &requests;
  const auto cache = SLUICE_TRY(runtime::prefill_cache(*engine, *model.file, prompt, prefill));
  SLUICE_TRY(cache.save(options.output));
  std::cout << fmt::format("{}: {} tokens of {} layers, with the last {} tokens' queries\n",
                           options.output.string(), cache.tokens(), cache.shape().layers,
                           std::min(options.window_tokens, cache.tokens()));
  return {};
}

Status encode(const CodecOptions& options) {
  const auto cache = SLUICE_TRY(runtime::DumpedCache::load(options.cache));
  auto profile = SLUICE_TRY(open_profile(options.profile, cache.shape().model_fingerprint));
  const auto pipeline = SLUICE_TRY(make_pipeline(options.pipeline, cache.shape(), profile));
  runtime::CacheEncoding encoding;
  encoding.question_tokens = options.question_tokens;
  encoding.seed = options.seed;
  const auto coded = SLUICE_TRY(runtime::encode_cache(cache, *pipeline, encoding, nullptr));
  SLUICE_TRY(coded.save(options.output));
  const auto raw = static_cast<double>(cache.shape().layers * cache.tokens() *
                                       cache.shape().kv_heads * cache.shape().head_dim * 4);
  std::cout << fmt::format("{}: {} bytes, {:.2f} times fewer than BF16\n", options.output.string(),
                           coded.frames.size(), raw / static_cast<double>(coded.frames.size()));
  return {};
}

Result<runtime::DecodedCache> decode_file(const CodecOptions& options) {
  const auto coded = SLUICE_TRY(runtime::CodedCache::load(options.frames));
  auto profile = SLUICE_TRY(open_profile(options.profile, coded.shape.model_fingerprint));
  return runtime::decode_cache(coded, std::move(profile), nullptr);
}

Status decode(const CodecOptions& options) {
  const auto decoded = SLUICE_TRY(decode_file(options));
  SLUICE_TRY(decoded.cache.save(options.output));
  std::cout << fmt::format("{}: {} tokens of {} layers, kept rows first\n", options.output.string(),
                           decoded.cache.tokens(), decoded.cache.shape().layers);
  return {};
}

Status inspect(const CodecOptions& options) {
  const auto decoded = SLUICE_TRY(decode_file(options));
  std::optional<runtime::DumpedCache> original;
  if (!options.cache.empty()) {
    original = SLUICE_TRY(runtime::DumpedCache::load(options.cache));
    if (!original->is_like(decoded.cache)) {
      return make_error(ErrorCode::kInvalidArgument,
                        options.cache.string() + " is not the cache that these frames are of");
    }
  }
  const auto report = runtime::report_cache(decoded, original ? &*original : nullptr);
  std::cout << "pipeline " << report.pipeline << ", " << decoded.cache.tokens() << " tokens, "
            << report.bytes << " bytes\n"
            << runtime::report_table(report);
  if (!original) {
    std::cout << "Errors need the cache that was encoded: --cache FILE\n";
  }
  return {};
}

Status compare(const CodecOptions& options) {
  const auto cache = SLUICE_TRY(runtime::DumpedCache::load(options.cache));
  auto profile = SLUICE_TRY(open_profile(options.profile, cache.shape().model_fingerprint));
  std::vector<std::string> names = options.pipelines;
  if (names.empty()) names = runtime::preset_names(presets_folder());
  runtime::CacheEncoding encoding;
  encoding.question_tokens = options.question_tokens;
  encoding.seed = options.seed;
  std::vector<runtime::PresetRow> rows;
  for (const std::string& name : names) {
    const auto pipeline = SLUICE_TRY(make_pipeline(name, cache.shape(), profile));
    rows.push_back(SLUICE_TRY(runtime::measure_preset(cache, *pipeline, profile, encoding)));
    std::cerr << '.' << std::flush;
  }
  std::cerr << '\n';
  std::cout << (options.json ? runtime::preset_json(rows) : runtime::preset_table(rows));
  return {};
}

void add_profile_option(CLI::App* command, CodecOptions& options) {
  command->add_option("--profile", options.profile,
                      "The model's profile (what calibrate wrote, if not given)");
}

void add_encoding_options(CLI::App* command, CodecOptions& options) {
  command->add_option("--question-tokens", options.question_tokens,
                      "Length of the question at the prompt's end, for task-aware stages");
  command->add_option("--seed", options.seed, "Of what is drawn at random");
  add_profile_option(command, options);
}

}  // namespace

void add_codec(CLI::App& app, CodecOptions& options, std::function<int()>& chosen) {
  CLI::App* codec = app.add_subcommand("codec", "Compression pipelines on KV caches in files");
  codec->require_subcommand(1);
  const auto add = [&](const char* name, const char* summary, Status (*run)(const CodecOptions&)) {
    CLI::App* command = codec->add_subcommand(name, summary);
    command->callback([&options, &chosen, run] {
      chosen = [&options, run] {
        const Status done = run(options);
        if (done) return 0;
        print_error(done.error());
        return 1;
      };
    });
    return command;
  };
  add("list", "Say which stages and presets there are", list);

  CLI::App* command = add("dump", "Compute a prompt's KV cache and write it to a file", dump);
  command->add_option("model", options.model, "'default', a .gguf file, or a model folder")
      ->required();
  command->add_option("--prompt-file", options.prompt_file, "The prompt: UTF-8 text")->required();
  command->add_option("--output", options.output, "The cache (safetensors)")->required();
  command->add_option("--window", options.window_tokens, "Last tokens whose queries are kept")
      ->capture_default_str();
  command->add_flag("--raw", options.raw, "The prompt as it is, without the chat template");
  command->add_flag("--repeat", options.repeat,
                    "Also let the model repeat the prompt: what kvzip selects by");

  command =
      add("calibrate", "Learn a model's profile: bases, levels, symbol frequencies", calibrate);
  command->add_option("model", options.model, "'default', a .gguf file, or a model folder")
      ->required();
  command->add_option("--text", options.texts, "Texts to learn from, if not those that come along");
  command->add_option("--pipelines", options.pipelines, "Presets to learn for, if not all");
  command->add_option("--output", options.output, "The profile, if not where others look for it");
  command->add_option("--passages", options.passages_max,
                      "Learn from so many passages only: quicker, and good enough for a try");
  command
      ->add_option("--samples", options.samples,
                   "So many texts of the model's own too, which go on from the passages")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  command->add_flag("--if-missing", options.if_missing,
                    "Only where there is no profile yet that these presets can work with");

  command = add("encode", "Encode a dumped cache", encode);
  command->add_option("cache", options.cache, "A dumped cache")->required();
  command->add_option("--pipeline", options.pipeline, "A preset or a YAML file")->required();
  command->add_option("--output", options.output, "The frames")->required();
  add_encoding_options(command, options);

  command = add("decode", "Decode frames to a cache", decode);
  command->add_option("frames", options.frames, "What encode wrote")->required();
  command->add_option("--output", options.output, "The cache (safetensors)")->required();
  add_profile_option(command, options);

  command = add("inspect", "Say what frames hold, layer by layer", inspect);
  command->add_option("frames", options.frames, "What encode wrote")->required();
  command->add_option("--cache", options.cache, "The cache that was encoded, to measure errors");
  add_profile_option(command, options);

  command = add("compare", "Encode and decode a dumped cache with many pipelines", compare);
  command->add_option("cache", options.cache, "A dumped cache")->required();
  command->add_option("--pipelines", options.pipelines, "Presets or files, if not all presets");
  command->add_flag("--json", options.json, "JSON instead of a table");
  add_encoding_options(command, options);
}

}  // namespace sluice::launch
