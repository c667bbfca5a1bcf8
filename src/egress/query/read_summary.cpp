#include "egress/query/read_summary.hpp"

#include "egress/query/asking.hpp"
#include "egress/query/record_json.hpp"
#include "egress/query/summaries.hpp"
#include "http/exchange.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

Response show(std::string_view client, const Summaries::Found& found) {
  if (!found) return read_failure(found.error());
  const auto& [files, as_of] = *found;
  Response out;
  http::add_header(out, "Cache-Control", "no-cache");
  out.content_type = http::json_type;
  out.body = R"({"clientKrn":)";
  json::append_string(out.body, client);
  const auto add = [&](std::string_view name, std::int64_t count) {
    out.body.append(",\"").append(name).append("\":");
    json::append_integer(out.body, count);
  };
  add("files", files.running + files.completed);
  add("running", files.running);
  add("completed", files.completed);
  add("withErrors", files.with_errors);
  add("withWarnings", files.with_warnings);
  add("stalled", files.stalled);
  out.body += R"(,"asOf":)";
  append_time(out.body, as_of);
  out.body += '}';
  return out;
}

class ReadSummary {
 public:
  ReadSummary(http::Loop& loop, const QueryParts& parts, ReadAccess access)
      : gate_{parts.client_rule, std::move(access)}, parts_{parts}, summaries_{loop.executor(), parts_} {}

  Task<Response> get(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    if (auto refused = co_await gate_.refuse(exchange, {})) co_return *std::move(refused);
    auto found = co_await summaries_.ask(std::string{exchange.capture(0)}, gate_.asker(exchange));
    co_return found ? show(exchange.capture(0), *found) : http::try_later("Too many reads at once");
  }

 private:
  ReadGate gate_;
  QueryParts parts_;
  Summaries summaries_;
};

}  // namespace

void add_summary_route(http::Loop& loop, const QueryParts& parts, ReadAccess access) {
  auto summaries = std::make_shared<ReadSummary>(loop, parts, std::move(access));
  loop.router().add("GET", "/clients/{clientKrn}/summary",
                    [summaries](Exchange& exchange) { return summaries->get(exchange); });
}

}  // namespace pebbles::query
