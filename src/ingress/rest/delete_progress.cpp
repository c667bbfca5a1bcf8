#include "ingress/rest/delete_progress.hpp"

#include "base/hex.hpp"
#include "http/exchange.hpp"
#include "ingress/rest/ack_sink.hpp"
#include "ingress/rest/answers.hpp"
#include "ingress/rest/request_headers.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::rest {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

class DeleteProgress {
 public:
  DeleteProgress(http::Executor executor, const DeleteParts& parts, std::shared_ptr<access::Guard> guard)
      : parts_{parts}, guard_{std::move(guard)}, sink_{executor} {}

  Task<Response> remove(Exchange& exchange) {
    exchange.note(exchange.capture(0));
    auto by = co_await guard_->admit(exchange, exchange.capture(0));
    if (!by) co_return std::move(by).error();
    if (!parts_.client_rule.accepts(exchange.capture(0)))
      co_return answer_of(admission::Faults{{.detail = "clientKrn is not a valid client name", .pointer = {}}});
    auto only_if = precondition_in(exchange);
    if (!only_if) co_return malformed(only_if.error());
    domain::Delete wanted{.at = parts_.clock.now(), .by = *std::move(by), .only_if = *std::move(only_if)};
    const auto digits = exchange.capture(1);
    if (digits.size() != 2 * wanted.id.size() || !from_hex(digits, wanted.id)) co_return unknown_file();

    // Which file it is; the lane judges whether it still is that one.
    domain::ClientKrn client{std::string{exchange.capture(0)}};
    auto found = parts_.reader.at_hand(client, wanted.id);
    if (!found) {
      std::string asker = *client;
      auto work = [&reader = parts_.reader, client = std::move(client), id = wanted.id] {
        return reader.by_id(client, id);
      };
      auto read = co_await http::run_on(parts_.pool, std::move(asker), std::move(work));
      if (!read) co_return http::try_later("Too many reads at once");
      if (!*read) {
        telemetry::read_failed(read->error().detail);
        if (read->error().code == Errc::store_corrupt)
          co_return http::problem(409, "The stored record of this file cannot be read: " + read->error().detail);
        co_return http::try_later("The store is not available");
      }
      found = **std::move(read);
    }
    if (!found) co_return unknown_file();
    exchange.note(*found->stream.client, *found->stream.filename);

    const auto ticket = sink_.take_ticket();
    ingest::Pending pending{.stream = found->stream, .command = std::move(wanted), .ack = {sink_, ticket}};
    if (auto refused = parts_.ingest.submit(std::move(pending))) {
      (void)refused->ack.release();
      sink_.give_back(ticket);
      co_return overloaded();
    }
    const auto outcome = co_await sink_.wait(ticket);
    if (std::holds_alternative<ingest::Applied>(outcome)) {
      Response deleted;
      deleted.status = 204;
      co_return deleted;
    }
    const auto* const refused = std::get_if<ingest::Refused>(&outcome);
    if (refused != nullptr && refused->why == domain::Rejection::not_the_owner)
      co_return http::problem(403, "Only the original creator can delete this file's progress");
    if (is_precondition_failed(outcome)) co_return precondition_failed(exchange);
    co_return answer_of(outcome, found->stream, {});
  }

 private:
  static Response unknown_file() { return answer_of(ingest::Refused{domain::Rejection::no_such_file}, {}, {}); }

  DeleteParts parts_;
  std::shared_ptr<access::Guard> guard_;
  LoopSink sink_;
};

}  // namespace

void add_delete_route(http::Loop& loop, const DeleteParts& parts, std::shared_ptr<access::Guard> guard) {
  auto deletes = std::make_shared<DeleteProgress>(loop.executor(), parts, std::move(guard));
  loop.router().add("DELETE", "/clients/{clientKrn}/progress/{id}",
                    [deletes](Exchange& exchange) { return deletes->remove(exchange); });
}

}  // namespace pebbles::rest
