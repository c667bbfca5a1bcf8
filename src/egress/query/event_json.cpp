#include "egress/query/event_json.hpp"

#include "domain/progress.hpp"
#include "egress/query/record_json.hpp"
#include "store/log_format.hpp"

namespace pebbles::query {
namespace {

void append_before(std::string& out, Timestamp created_at, std::int64_t errors, std::int64_t warnings) {
  out += R"(,"createdAt":)";
  append_time(out, created_at);
  out += R"(,"errorCount":)";
  json::append_integer(out, errors);
  out += R"(,"warningCount":)";
  json::append_integer(out, warnings);
}

void append_more(std::string&, const domain::Reported&) {}
void append_more(std::string&, const domain::Deleted&) {}

void append_more(std::string& out, const domain::Adopted& adopted) {
  append_before(out, adopted.created_at, adopted.error_count, adopted.warning_count);
}

void append_more(std::string& out, const domain::Baseline& baseline) {
  const auto& state = *baseline.state;
  append_before(out, state.created_at, state.errors.count, state.warnings.count);
}

}  // namespace

void append_event_members(std::string& out, const domain::ProgressEvent& event) {
  const auto reported = domain::reported_in(event);
  out += R"("version":)";
  json::append_integer(out, event.version);
  out += R"(,"kind":)";
  json::append_string(out, domain::kind_of(event));
  if (event.id) {
    out += R"(,"id":")";
    append_hex(out, *event.id);
    out += '"';
  }
  out += R"(,"at":)";
  append_time(out, event.at);
  out += R"(,"email":)";
  json::append_string(out, *event.by);
  out += R"(,"channel":)";
  json::append_string(out, domain::name_of(event.channel));
  out += R"(,"position":)";
  if (event.position)
    store::append_position(out, *event.position);
  else
    out += "null";
  out += R"(,"counts":)";
  store::append_counts(out, reported.counts);
  out += R"(,"total":)";
  append_integer_or_null(out, reported.total);
  out += R"(,"isLast":)";
  append_bool(out, reported.is_last);
  out += R"(,"errors":)";
  store::append_items(out, reported.errors);
  out += R"(,"warnings":)";
  store::append_items(out, reported.warnings);
  std::visit([&](const auto& what) { append_more(out, what); }, event.what);
  // Of the key spaces only this one is the producer's.
  constexpr std::string_view own = "p:";
  if (event.key && event.key->text.starts_with(own))
    json::append_text_member(out, "eventId", std::string_view{event.key->text}.substr(own.size()));
}

}  // namespace pebbles::query
