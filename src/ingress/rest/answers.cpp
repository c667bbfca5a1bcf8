#include "ingress/rest/answers.hpp"

#include <vector>

#include "base/assert.hpp"
#include "egress/query/record_json.hpp"

namespace pebbles::rest {

using http::problem;
using http::Response;

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

Refusal answer_to(domain::Rejection why) {
  switch (why) {
    case domain::Rejection::not_the_owner:
      return {.status = 403, .text = "Only the original creator can update this file's progress"};
    case domain::Rejection::key_reused: return {.status = 422, .text = "This key was used with a different update"};
    case domain::Rejection::precondition_failed:
      return {.status = 412, .text = "The file is not in the state that If-Match or If-None-Match asks for"};
    case domain::Rejection::already_completed:
      return {.status = 400, .text = "This file processing has already been completed"};
    case domain::Rejection::counter_overflow:
      return {.status = 400, .text = "Invalid parameters: counts would pass 9007199254740991"};
    case domain::Rejection::no_such_file: return {.status = 404, .text = "Progress not found for this file"};
  }
  PEBBLES_ASSERT(false, "every rejection has an answer");
}

Response state_of(const domain::StreamId& stream, const ingest::ShownState& state, bool created,
                  const AnswerStyle& style) {
  constexpr std::size_t fixed_bytes = 240;
  Response out{.status = 200, .content_type = http::json_type, .headers = {}, .body = {}};
  out.body.reserve(fixed_bytes + stream.client->size() + stream.filename->size() +
                   (style.minimal ? 0 : state.errors.bytes() + state.warnings.bytes()));
  out.body += '{';
  append_state(out.body, *stream.client, *stream.filename, state, created, style);
  out.body += '}';
  if (style.minimal) http::add_header(out, "Preference-Applied", "return=minimal");
  return out;
}

Response problem_of(const Refusal& refusal) {
  return refusal.status == 503 ? http::try_later(refusal.text) : problem(refusal.status, refusal.text);
}

}  // namespace

void append_state(std::string& out, std::string_view client, std::string_view filename, const ingest::ShownState& state,
                  bool created, const AnswerStyle& style) {
  out += created ? R"("result":"created","clientKrn":)" : R"("result":"updated","clientKrn":)";
  json::append_string(out, client);
  out += R"(,"filename":)";
  json::append_string(out, filename);
  out += R"(,"counts":)";
  store::append_counts(out, state.counts);
  out += R"(,"total":)";
  query::append_integer_or_null(out, state.total);
  out += R"(,"isCompleted":)";
  query::append_bool(out, state.completed);
  if (style.minimal) return;
  out += R"(,"errors":)";
  store::append_items(out, state.errors, style.items_max);
  out += R"(,"warnings":)";
  store::append_items(out, state.warnings, style.items_max);
}

std::optional<Refusal> refusal_of(const ingest::Outcome& outcome) {
  using Found = std::optional<Refusal>;
  const Overloaded cases{
      [](const ingest::Applied&) { return Found{}; },
      [](const ingest::Replayed& replayed) {  // of a file that was deleted since, there is nothing to show
        return replayed.now->exists() ? Found{} : Found{answer_to(domain::Rejection::no_such_file)};
      },
      [](const ingest::Refused& rejected) { return Found{answer_to(rejected.why)}; },
      [](const ingest::Unstorable& unstorable) {
        if (!unstorable.unreadable.empty()) return Found{Refusal{.status = 409, .text = unstorable.unreadable}};
        return Found{Refusal{.status = 400, .text = "Invalid parameters: the update is too large to be stored"}};
      },
      [](const ingest::Retry& retry) {
        return Found{Refusal{.status = 503,
                             .text = retry.maybe_applied
                                         ? "The update may still be applied: retry it with the same key"
                                         : "The store is not available; the update was not applied: retry it"}};
      },
  };
  return std::visit(cases, outcome);
}

Response answer_of(const ingest::Outcome& outcome, const domain::StreamId& stream, const AnswerStyle& style) {
  if (const auto refusal = refusal_of(outcome)) return problem_of(*refusal);
  if (const auto* applied = std::get_if<ingest::Applied>(&outcome))
    return state_of(stream, *applied->after, applied->created, style);
  auto out = state_of(stream, ingest::ShownState{*std::get<ingest::Replayed>(outcome).now}, false, style);
  http::add_header(out, "Idempotent-Replayed", "true");
  return out;
}

std::vector<http::ProblemFault> shown(const admission::Faults& faults) {
  std::vector<http::ProblemFault> out;
  out.reserve(faults.size());
  for (const auto& fault : faults) out.push_back({.detail = fault.detail, .pointer = fault.pointer});
  return out;
}

Response answer_of(const admission::Faults& faults) {
  return problem(400, admission::summary_of(faults), shown(faults));
}

Response malformed(std::string_view detail) {
  return answer_of(admission::Faults{{.detail = std::string{detail}, .pointer = {}}});
}

bool is_precondition_failed(const ingest::Outcome& outcome) {
  const auto* const refused = std::get_if<ingest::Refused>(&outcome);
  return refused != nullptr && refused->why == domain::Rejection::precondition_failed;
}

Response overloaded() { return problem_of(overloaded_refusal); }

}  // namespace pebbles::rest
