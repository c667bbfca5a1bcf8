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

Response state_of(const domain::StreamId& stream, const domain::Progress& progress, bool created,
                  const AnswerStyle& style) {
  constexpr std::size_t fixed_bytes = 240;
  Response out{.status = 200, .content_type = http::json_type, .headers = {}, .body = {}};
  auto& body = out.body;
  body.reserve(fixed_bytes + stream.client->size() + stream.filename->size() +
               (style.minimal ? 0 : progress.errors.first.bytes() + progress.warnings.first.bytes()));
  body += created ? R"({"result":"created","clientKrn":)" : R"({"result":"updated","clientKrn":)";
  json::append_string(body, *stream.client);
  body += R"(,"filename":)";
  json::append_string(body, *stream.filename);
  body += R"(,"counts":)";
  query::append_counts(body, progress.counts);
  body += R"(,"total":)";
  query::append_integer_or_null(body, progress.total);
  body += R"(,"isCompleted":)";
  query::append_bool(body, progress.completed);
  if (style.minimal) {
    http::add_header(out, "Preference-Applied", "return=minimal");
  } else {
    body += R"(,"errors":)";
    store::append_items(body, progress.errors.first, style.items_max);
    body += R"(,"warnings":)";
    store::append_items(body, progress.warnings.first, style.items_max);
  }
  body += '}';
  return out;
}

Response rejection(domain::Rejection why) {
  switch (why) {
    case domain::Rejection::not_the_owner:
      return problem(403, "Only the original creator can update this file's progress");
    case domain::Rejection::key_reused: return problem(422, "This key was used with a different update");
    case domain::Rejection::already_completed: return problem(400, "This file processing has already been completed");
    case domain::Rejection::counter_overflow:
      return problem(400, "Invalid parameters: counts would pass 9007199254740991");
  }
  PEBBLES_ASSERT(false, "every rejection has an answer");
}

}  // namespace

Response answer_of(const ingest::Outcome& outcome, const domain::StreamId& stream, const AnswerStyle& style) {
  const Overloaded cases{
      [&](const ingest::Applied& applied) { return state_of(stream, *applied.after, applied.created, style); },
      [&](const ingest::Replayed& replayed) {
        auto out = state_of(stream, *replayed.now, false, style);
        http::add_header(out, "Idempotent-Replayed", "true");
        return out;
      },
      [](const ingest::Refused& refused) { return rejection(refused.why); },
      [](const ingest::Unstorable&) {
        return problem(400, "Invalid parameters: the update is too large to be stored");
      },
      [](const ingest::Retry& retry) {
        return http::try_later(retry.maybe_applied
                                   ? "The update may still be applied: retry it with the same key"
                                   : "The store is not available; the update was not applied: retry it");
      },
  };
  return std::visit(cases, outcome);
}

Response answer_of(const admission::Faults& faults) {
  std::vector<http::ProblemFault> shown;
  shown.reserve(faults.size());
  for (const auto& fault : faults) shown.push_back({.detail = fault.detail, .pointer = fault.pointer});
  return problem(400, admission::summary_of(faults), shown);
}

Response overloaded() { return http::try_later("Too many updates at once; this one was not applied: retry it"); }

}  // namespace pebbles::rest
