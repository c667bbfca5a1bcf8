#include "ingress/rest/batch_answer.hpp"

#include <algorithm>
#include <memory>

#include "json/writer.hpp"

namespace pebbles::rest {
namespace {

/// Nullopt for what was counted. `summary` keeps a text that is made here.
std::optional<Refusal> refusal_in(const BatchEntry& entry, std::string& summary) {
  if (const auto* outcome = std::get_if<ingest::Outcome>(&entry.result)) return refusal_of(*outcome);
  if (std::holds_alternative<NotTaken>(entry.result)) return overloaded_refusal;
  if (std::holds_alternative<admission::TooLarge>(entry.result))
    return Refusal{.status = 413, .text = "The update is too large: it must have at most 1048576 bytes"};
  summary = admission::summary_of(std::get<admission::Faults>(entry.result));
  return Refusal{.status = 400, .text = summary};
}

bool is_counted(const BatchEntry& entry) {
  const auto* const outcome = std::get_if<ingest::Outcome>(&entry.result);
  return outcome != nullptr && !refusal_of(*outcome);
}

class Writer {
 public:
  Writer(std::string& out, const domain::ClientKrn& client, const BatchStyle& style)
      : out_{out}, client_{client}, style_{style} {}

  void write(const BatchEntry& entry) {
    out_ += '{';
    std::string summary;
    if (const auto refusal = refusal_in(entry, summary)) {
      static const admission::Faults none;
      const auto* const faults = std::get_if<admission::Faults>(&entry.result);
      http::append_problem(out_, refusal->status, refusal->text, shown(faults != nullptr ? *faults : none));
      if (refusal->status == 503) out_ += R"(,"retryAfter":1)";
    } else {
      write_counted(std::get<ingest::Outcome>(entry.result), entry.filename);
    }
    out_ += '}';
  }

 private:
  void write_counted(const ingest::Outcome& outcome, std::string_view filename) {
    const auto* const applied = std::get_if<ingest::Applied>(&outcome);
    const bool created = applied != nullptr && applied->created;
    out_ += R"("status":200,)";
    if (style_.update.minimal || out_.size() > style_.states_bytes_max) {
      out_ += created ? R"("result":"created")" : R"("result":"updated")";
    } else {
      const auto tell = [&](const ingest::ShownState& state) {
        append_state(out_, *client_, filename, state, created, style_.update);
      };
      if (applied != nullptr)
        tell(*applied->after);
      else
        tell(ingest::ShownState{*std::get<ingest::Replayed>(outcome).now});
    }
    if (applied == nullptr) out_ += R"(,"replayed":true)";
  }

  std::string& out_;
  const domain::ClientKrn& client_;
  const BatchStyle& style_;
};

void append_count(std::string& out, std::string_view name, std::size_t count) {
  out += name;
  json::append_integer(out, static_cast<std::int64_t>(count));
}

}  // namespace

http::Response answer_of(std::span<const BatchEntry> entries, const domain::ClientKrn& client,
                         const BatchStyle& style) {
  constexpr std::size_t state_bytes = 256;
  constexpr std::size_t minimal_bytes = 40;
  http::Response out{
      .status = 200, .content_type = style.lines ? http::ndjson_type : http::json_type, .headers = {}, .body = {}};
  if (style.update.minimal) http::add_header(out, "Preference-Applied", "return=minimal");
  out.body.reserve(64 + entries.size() * (style.update.minimal ? minimal_bytes : state_bytes));
  Writer writer{out.body, client, style};
  if (style.lines) {
    for (const auto& entry : entries) {
      writer.write(entry);
      out.body += '\n';
    }
    return out;
  }
  const auto counted = static_cast<std::size_t>(std::ranges::count_if(entries, is_counted));
  append_count(out.body, R"({"succeeded":)", counted);
  append_count(out.body, R"(,"failed":)", entries.size() - counted);
  out.body += R"(,"results":[)";
  bool first = true;
  for (const auto& entry : entries) {
    if (!std::exchange(first, false)) out.body += ',';
    writer.write(entry);
  }
  out.body += "]}";
  return out;
}

}  // namespace pebbles::rest
