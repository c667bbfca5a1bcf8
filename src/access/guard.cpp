#include "access/guard.hpp"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>

#include "base/assert.hpp"
#include "http/asker.hpp"

namespace pebbles::access {

using http::problem;
using http::Response;
using http::Task;

Guard::Guard(const auth::KeyRing& keys, GuardOptions options, const Clock& clock)
    : options_{std::move(options)}, verifier_{keys, options_.tokens, clock} {}

std::expected<const auth::Identity*, auth::TokenFault> Guard::verify(const http::Exchange& exchange) {
  // The first of two Authorization headers could be anybody's: neither counts.
  return verifier_.verify(exchange.header_count("Authorization") == 1 ? exchange.header("Authorization") : "");
}

Task<std::expected<domain::Email, Response>> Guard::admit(const http::Exchange& exchange, std::string_view client) {
  auto identity = verify(exchange);
  const bool waits = !identity && (identity.error() == auth::TokenFault::unknown_key ||
                                   identity.error() == auth::TokenFault::no_keys_yet);
  if (waits && co_await keys_were_fetched()) identity = verify(exchange);
  if (!identity) co_return std::unexpected{answer_of(identity.error())};
  const auto& [email, clients] = **identity;
  if (options_.bound_to_clients && std::ranges::find(clients, client) == clients.end())
    co_return std::unexpected{problem(403, "Token is not valid for this client")};
  co_return email;
}

std::string Guard::requester_of(const http::Exchange& exchange) {
  if (exchange.header_count("Authorization") == 1)
    if (const auto identity = verify(exchange)) return "token " + *(*identity)->email;
  return http::requester_of_address(exchange.peer());
}

Task<bool> Guard::keys_were_fetched() {
  if (!options_.fetch_keys) co_return false;
  auto executor = co_await http::asio::this_coro::executor;
  auto initiate = [this, executor](auto handler) {
    auto waiting = std::make_shared<decltype(handler)>(std::move(handler));
    const auto resume = [executor, waiting](bool fetched) {
      http::asio::post(executor, [waiting, fetched] { std::move (*waiting)(fetched); });
    };
    if (!options_.fetch_keys([resume] { resume(true); })) resume(false);
  };
  co_return co_await http::asio::async_initiate<const http::asio::use_awaitable_t<http::Executor>, void(bool)>(
      initiate, http::use_task);
}

Response answer_of(auth::TokenFault fault) {
  switch (fault) {
    case auth::TokenFault::missing: {
      auto out = problem(401, "Missing Authorization header");
      http::add_header(out, "WWW-Authenticate", "Bearer");
      return out;
    }
    case auth::TokenFault::invalid:
    case auth::TokenFault::unknown_key: {
      auto out = problem(401, "Invalid or expired token");
      http::add_header(out, "WWW-Authenticate", R"(Bearer error="invalid_token")");
      return out;
    }
    case auth::TokenFault::no_email: return problem(403, "No email found in authentication token");
    case auth::TokenFault::no_keys_yet: return http::try_later("The keys to verify tokens are not available");
  }
  PEBBLES_ASSERT(false, "every token fault has an answer");
}

}  // namespace pebbles::access
