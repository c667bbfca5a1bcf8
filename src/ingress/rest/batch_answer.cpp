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
    const bool has_state = applied == nullptr || applied->after.has_value();
    if (style_.update.minimal || !has_state || out_.size() > style_.states_bytes_max) {
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

void BatchAnswer::add(std::span<const BatchEntry> entries) {
  constexpr std::size_t state_bytes = 256;
  constexpr std::size_t minimal_bytes = 40;
  if (entries_ == 0) results_.reserve(64 + entries.size() * (style_.update.minimal ? minimal_bytes : state_bytes));
  Writer writer{results_, client_, style_};
  for (const auto& entry : entries) {
    if (!style_.lines && entries_ > 0) results_ += ',';
    writer.write(entry);
    if (style_.lines) results_ += '\n';
    ++entries_;
  }
  counted_ += static_cast<std::size_t>(std::ranges::count_if(entries, is_counted));
}

http::Response BatchAnswer::finish() && {
  http::Response out{
      .status = 200, .content_type = style_.lines ? http::ndjson_type : http::json_type, .headers = {}, .body = {}};
  if (style_.update.minimal) http::add_header(out, "Preference-Applied", "return=minimal");
  out.body = std::move(results_);
  if (style_.lines) return out;
  std::string begin;
  append_count(begin, R"({"succeeded":)", counted_);
  append_count(begin, R"(,"failed":)", entries_ - counted_);
  begin += R"(,"results":[)";
  out.body.insert(0, begin);
  out.body += "]}";
  return out;
}

http::Response answer_of(std::span<const BatchEntry> entries, const domain::ClientKrn& client,
                         const BatchStyle& style) {
  BatchAnswer answer{client, style};
  answer.add(entries);
  return std::move(answer).finish();
}

}  // namespace pebbles::rest
