// SPDX-License-Identifier: Apache-2.0
#include "runtime/evaluation/measure.hpp"

#include <algorithm>
#include <utility>

#include "runtime/codec/coded_cache.hpp"
#include "runtime/codec/prefill_cache.hpp"
#include "runtime/engine/engine_options.hpp"
#include "runtime/evaluation/answer_score.hpp"
#include "runtime/evaluation/continuation.hpp"
#include "runtime/evaluation/tasks.hpp"

namespace sluice::runtime {
namespace {

Error about(const EvaluationItem& item, const std::string& what) {
  return make_error(ErrorCode::kInvalidArgument,
                    "item " + item.id + " of task " + item.task + " " + what);
}

// Of the prompt's end: from the first token that the question changes. 0 where none is marked.
Result<std::int64_t> question_tokens(const EvaluationItem& item, const EvaluationModel& model,
                                     std::span<const TokenId> prompt) {
  if (item.question.empty()) return 0;
  if (!item.prompt.ends_with(item.question)) return about(item, "does not end with its question");
  const std::string before = item.prompt.substr(0, item.prompt.size() - item.question.size());
  const auto without = SLUICE_TRY(model.encode_prompt(before));
  const auto same = std::mismatch(prompt.begin(), prompt.end(), without.begin(), without.end());
  return static_cast<std::int64_t>(prompt.end() - same.first);
}

// Room for what is fed after the rows of the prompt.
std::int64_t tokens_more(const Reference& reference) {
  const auto answer = static_cast<std::int64_t>(reference.answer.size());
  return static_cast<std::int64_t>(reference.given.size()) + std::max(answer, kOwnTokens);
}

struct BothRows {
  LogRows answer;
  LogRows own;
};

// Both answers begin after the same tokens: those are fed once. The sequence is as long as it was.
Result<BothRows> rows_after(const Reference& reference, KvPool& pool, KvSequence& sequence,
                            DecodeEngine& decode) {
  std::vector<TokenId> fed = reference.given;
  fed.insert(fed.end(), reference.answer.begin(), reference.answer.end() - 1);
  BothRows rows{SLUICE_TRY(rows_along(decode, pool, sequence, fed,
                                      static_cast<std::int64_t>(reference.answer.size()))),
                {}};
  rows.own.push_back(rows.answer.front());
  const auto given = static_cast<std::int64_t>(reference.given.size());
  const auto own = std::span(reference.own).first(reference.own.size() - 1);
  if (own.empty()) return rows;
  sequence.tokens += given;
  auto more = rows_along(decode, pool, sequence, own, static_cast<std::int64_t>(own.size()));
  sequence.tokens -= given;
  for (auto& row : SLUICE_TRY(std::move(more))) rows.own.push_back(std::move(row));
  return rows;
}

// Of the choices the likeliest one: its place. -1: the item has none. They are told apart by the
// first token in which they differ, since vocabularies of SentencePiece begin them all with a
// blank; `rows` are along the right one, which begins like the others.
std::int64_t chosen(const EvaluationItem& item, const EvaluationModel& model, const LogRows& rows) {
  std::vector<std::vector<TokenId>> choices;
  for (const std::string& choice : item.choices) {
    choices.push_back(model.tokenizer->encode(choice, {.add_special = false}));
  }
  if (choices.empty()) return -1;
  for (std::size_t place = 0; place < rows.size(); ++place) {
    std::int64_t best = -1;
    float most = 0.0F;
    bool differ = false;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if (choices[i].size() <= place) return -1;
      differ = differ || choices[i][place] != choices.front()[place];
      const float log = rows[place][static_cast<std::size_t>(choices[i][place])];
      if (best >= 0 && log <= most) continue;
      best = static_cast<std::int64_t>(i);
      most = log;
    }
    if (differ) return best;
  }
  return -1;
}

// One cache in the pool, and what is found out about it.
struct Trial {
  Outcome outcome;
  GreedyAnswer answer;
  BothRows rows;
};

// The answer as far as the rows along the reference's own answer already tell it.
void begin_answer(const Reference& reference, Trial& trial) {
  auto& said = trial.answer.said;
  said.clear();
  for (std::size_t i = 0; i < reference.own.size(); ++i) {
    said.push_back(most_probable(trial.rows.own[i]));
    if (said.back() != reference.own[i]) break;
  }
}

Status judge(const Reference& reference, const EvaluationModel& model, Trial& trial) {
  const EvaluationItem& item = reference.item;
  Outcome& outcome = trial.outcome;
  outcome.task = item.task;
  outcome.item = item.id;
  outcome.tokens = reference.cache.tokens();
  outcome.length = item.length;
  outcome.depth = item.depth;
  outcome.keys = item.keys;
  const auto on_answer = compare_rows(reference.answer_rows, trial.rows.answer, reference.answer);
  const auto on_own = compare_rows(reference.own_rows, trial.rows.own, reference.own);
  outcome.nll = on_answer.nll;
  outcome.kl = on_answer.kl;
  outcome.top1 = on_answer.top1;
  outcome.own_kl = on_own.kl;
  outcome.own_top1 = on_own.top1;
  const std::int64_t choice = chosen(item, model, trial.rows.answer);
  if (choice >= 0) {
    outcome.said = item.choices[static_cast<std::size_t>(choice)];
    outcome.score = outcome.said == item.answers.front() ? 1.0 : 0.0;
    outcome.exact_match = outcome.score;
    return {};
  }
  outcome.said = model.tokenizer->decode(trial.answer.said);
  const TaskRow* task = SLUICE_TRY(find_task(item.task));
  outcome.score = task->score(item, outcome.said);
  outcome.exact_match = exact_match(item, outcome.said);
  return {};
}

Status finish(const Reference& reference, const EvaluationModel& model, KvPool& pool,
              DecodeEngine& decode, std::span<Trial> trials) {
  std::vector<GreedyAnswer> answers;
  for (Trial& trial : trials) {
    begin_answer(reference, trial);
    GreedyAnswer& answer = trial.answer;
    answer.sequence.tokens +=
        static_cast<std::int64_t>(reference.given.size() + answer.said.size()) - 1;
    answers.push_back(std::move(answer));
  }
  // The letters' likelihoods say what is chosen.
  if (reference.item.choices.empty()) {
    SLUICE_TRY(say_greedily(decode, pool, answers, model.tokenizer->end_of_text(), kOwnTokens));
  }
  for (std::size_t i = 0; i < trials.size(); ++i) {
    trials[i].answer = std::move(answers[i]);
    SLUICE_TRY(judge(reference, model, trials[i]));
  }
  return {};
}

Result<Trial> begin_trial(const Reference& reference, const HeldCache& held, KvPool& pool,
                          DecodeEngine& decode) {
  Trial trial;
  trial.answer.sequence = SLUICE_TRY(place_cache(held, tokens_more(reference), pool));
  trial.rows = SLUICE_TRY(rows_after(reference, pool, trial.answer.sequence, decode));
  return trial;
}

Result<std::unique_ptr<KvPool>> pool_for(const Reference& reference, std::size_t caches,
                                         const DecodeEngine& decode) {
  return KvPool::create(
      kv_shape_of(decode.spec()),
      static_cast<std::int64_t>(caches) * blocks_after(reference.cache, tokens_more(reference)));
}

// After the whole cache.
Status say_own(const EvaluationModel& model, Reference& reference, DecodeEngine& decode) {
  const auto pool = SLUICE_TRY(pool_for(reference, 1, decode));
  const HeldCache held{reference.cache, {}};
  Trial trial;
  auto& [sequence, said] = trial.answer;
  sequence = SLUICE_TRY(place_cache(held, tokens_more(reference), *pool));
  const auto first = SLUICE_TRY(rows_along(decode, *pool, sequence, reference.given, 1));
  said.push_back(most_probable(first.front()));
  const std::int64_t before = sequence.tokens;
  sequence.tokens += static_cast<std::int64_t>(reference.given.size());
  SLUICE_TRY(
      say_greedily(decode, *pool, {&trial.answer, 1}, model.tokenizer->end_of_text(), kOwnTokens));
  sequence.tokens = before;
  reference.own = said;
  trial.rows = SLUICE_TRY(rows_after(reference, *pool, sequence, decode));
  reference.answer_rows = trial.rows.answer;
  reference.own_rows = trial.rows.own;
  SLUICE_TRY(judge(reference, model, trial));
  reference.full = std::move(trial.outcome);
  return {};
}

std::int64_t raw_bytes(const DumpedCache& cache) {
  const kernels::CacheShape& shape = cache.shape();
  return shape.layers * shape.kv_heads * shape.head_dim * cache.tokens() * 4;
}

Result<Trial> through_frames(const Reference& reference, const kernels::Pipeline& pipeline,
                             const std::shared_ptr<const kernels::Profile>& profile, KvPool& pool,
                             DecodeEngine& decode) {
  CacheEncoding encoding;
  encoding.question_tokens = reference.question_tokens;
  double encode_s = 0.0;
  double decode_s = 0.0;
  const auto coded = SLUICE_TRY(encode_cache(reference.cache, pipeline, encoding, &encode_s));
  const auto decoded = SLUICE_TRY(decode_cache(coded, profile, &decode_s));
  auto trial = SLUICE_TRY(begin_trial(reference, {decoded.cache, decoded.positions}, pool, decode));
  trial.outcome.pipeline = pipeline.name();
  trial.outcome.raw_bytes = raw_bytes(reference.cache);
  trial.outcome.bytes = static_cast<std::int64_t>(coded.frames.size());
  trial.outcome.encode_s = encode_s;
  trial.outcome.decode_s = decode_s;
  return trial;
}

}  // namespace

Result<Reference> make_reference(const EvaluationItem& item, const EvaluationModel& model,
                                 PrefillEngine& prefill, DecodeEngine& decode, bool is_repeated) {
  if (item.answers.empty()) return about(item, "has no answer");
  const auto prompt = SLUICE_TRY(model.encode_prompt(item.prompt));
  const auto question = SLUICE_TRY(question_tokens(item, model, prompt));
  std::vector<TokenId> given{prompt.back()};
  const auto start = model.tokenizer->encode(item.answer_start, {.add_special = false});
  given.insert(given.end(), start.begin(), start.end());
  auto answer = model.tokenizer->encode(item.answers.front(), {.add_special = false});
  if (answer.empty()) return about(item, "has an empty answer");
  RepeatRequests requests;
  PrefillCacheOptions wanted;
  if (is_repeated) {
    requests = RepeatRequests::make(*model.tokenizer);
    wanted.repeat = &requests;
  }
  Reference reference{item,
                      SLUICE_TRY(prefill_cache(prefill, *model.file, prompt, wanted)),
                      question,
                      std::move(given),
                      std::move(answer),
                      {},
                      {},
                      {},
                      {}};
  SLUICE_TRY(say_own(model, reference, decode));
  reference.full.pipeline = kFullCache;
  reference.full.raw_bytes = raw_bytes(reference.cache);
  reference.full.bytes = reference.full.raw_bytes;
  return reference;
}

Result<std::vector<Outcome>> measure_outcomes(
    const Reference& reference, std::span<const kernels::Pipeline* const> pipelines,
    const std::shared_ptr<const kernels::Profile>& profile, const EvaluationModel& model,
    DecodeEngine& decode) {
  const auto pool = SLUICE_TRY(pool_for(reference, pipelines.size(), decode));
  std::vector<Trial> trials;
  for (const kernels::Pipeline* pipeline : pipelines) {
    auto trial = through_frames(reference, *pipeline, profile, *pool, decode);
    if (!trial) {
      return make_error(trial.error().code, "pipeline " + pipeline->name() + " on item " +
                                                reference.item.id + " of task " +
                                                reference.item.task + ": " + trial.error().message);
    }
    trials.push_back(std::move(*trial));
  }
  SLUICE_TRY(finish(reference, model, *pool, decode, trials));
  std::vector<Outcome> outcomes;
  for (Trial& trial : trials) outcomes.push_back(std::move(trial.outcome));
  return outcomes;
}

Result<Outcome> measure_outcome(const Reference& reference, const kernels::Pipeline& pipeline,
                                const std::shared_ptr<const kernels::Profile>& profile,
                                const EvaluationModel& model, DecodeEngine& decode) {
  const kernels::Pipeline* const pipelines[] = {&pipeline};
  auto outcomes = SLUICE_TRY(measure_outcomes(reference, pipelines, profile, model, decode));
  return std::move(outcomes.front());
}

Result<Outcome> measure_cache(const Reference& reference, const DumpedCache& cache,
                              std::span<const std::vector<std::int32_t>> positions,
                              const EvaluationModel& model, DecodeEngine& decode) {
  if (!cache.is_like(reference.cache)) {
    return make_error(ErrorCode::kInvalidArgument, "the cache is not of the item's prompt");
  }
  const auto pool = SLUICE_TRY(pool_for(reference, 1, decode));
  auto trial = SLUICE_TRY(begin_trial(reference, {cache, positions}, *pool, decode));
  SLUICE_TRY(finish(reference, model, *pool, decode, {&trial, 1}));
  trial.outcome.raw_bytes = raw_bytes(cache);
  return std::move(trial.outcome);
}

}  // namespace sluice::runtime
