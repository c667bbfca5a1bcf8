#include "http/exchange.hpp"

#include "http/connection.hpp"

namespace pebbles::http {

std::string_view Exchange::method() const { return connection_.request().method(); }
std::string_view Exchange::header(std::string_view name) const { return connection_.request().field(name); }
std::size_t Exchange::header_count(std::string_view name) const { return connection_.request().count_of(name); }
std::string Exchange::combined_header(std::string_view name) const { return connection_.request().combined(name); }

void Exchange::note(std::string_view client, std::string_view file) { connection_.note(client, file); }

Task<std::expected<std::string_view, Response>> Exchange::read_body(std::size_t bytes_max, FairBudget* budget,
                                                                    std::string requester) {
  return connection_.read_body(bytes_max, budget, std::move(requester));
}

std::string Exchange::peer() const { return connection_.peer(); }
std::shared_ptr<const Cancellation> Exchange::cancellation() const { return connection_.cancellation(); }

void Exchange::drop_body() { connection_.drop_body(); }

}  // namespace pebbles::http
