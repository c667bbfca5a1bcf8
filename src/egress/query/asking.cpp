#include "egress/query/asking.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/hex.hpp"
#include "http/accept.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::query {

using http::Exchange;
using http::Response;
using http::Task;

namespace {

/// Without parameters, as `Accept` names them.
std::string_view type_of(Format format) {
  switch (format) {
    case Format::json: return http::json_type;
    case Format::ndjson: return ndjson_type;
    case Format::csv: return csv_type.substr(0, csv_type.find(';'));
  }
  return {};
}

std::string_view name_of(Format format) {
  switch (format) {
    case Format::json: return "json";
    case Format::ndjson: return "ndjson";
    case Format::csv: return "csv";
  }
  return {};
}

}  // namespace

Response invalid(std::string_view what) { return http::problem(400, "Invalid parameters: " + std::string{what}); }

Response bad_cursor(std::string_view parameter, std::string_view what) {
  const std::string name{parameter};
  return invalid(name + " is not " + std::string{what} + ": start again without " + name);
}

Response read_failure(const Error& error) {
  telemetry::read_failed(error.detail);
  if (error.code == Errc::store_unavailable) return http::try_later("The store is not available");
  if (error.code == Errc::store_corrupt)
    return http::problem(500, "What is stored cannot be read, and an operator has to repair it: " + error.detail);
  return http::problem(500, "Internal error");
}

std::string path_of_files(const QueryOptions& options, const domain::ClientKrn& client) {
  std::string out = options.public_url + "/clients/";
  http::append_percent_encoded(out, *client);
  return out + "/progress";
}

std::optional<std::int64_t> read_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value <= 0 || value > domain::count_max)
    return std::nullopt;
  return value;
}

std::expected<std::size_t, Response> read_limit(const Exchange& exchange, std::size_t otherwise,
                                                std::size_t limit_max) {
  const auto* const text = exchange.parameter("limit");
  if (text == nullptr) return std::min(otherwise, limit_max);
  const auto limit = read_number(*text);
  if (!limit) return std::unexpected{invalid("limit must be a whole number above 0")};
  return std::min(static_cast<std::size_t>(*limit), limit_max);
}

std::optional<domain::FileId> read_id(std::string_view digits) {
  domain::FileId id{};
  if (digits.size() != 2 * id.size() || !from_hex(digits, id)) return std::nullopt;
  return id;
}

std::expected<Format, Response> read_format(const Exchange& exchange, std::span<const Format> formats) {
  if (const auto* const wanted = exchange.parameter("format")) {
    const auto found = std::ranges::find(formats, std::string_view{*wanted}, name_of);
    if (found == formats.end()) return std::unexpected{invalid("format is not one that there is")};
    return *found;
  }
  std::array<std::string_view, 3> types;
  std::ranges::transform(formats, types.begin(), type_of);
  return formats[http::preferred(exchange.combined_header("Accept"), std::span{types}.first(formats.size()))];
}

Task<std::optional<Response>> ReadGate::refuse(const Exchange& exchange, std::span<const std::string_view> once) const {
  if (!access_.is_public) {
    auto reader = co_await access_.guard->admit(exchange, exchange.capture(0));
    if (!reader) co_return std::move(reader).error();
  }
  if (!rule_.accepts(exchange.capture(0))) co_return invalid("clientKrn is not a valid client name");
  for (const auto name : once)
    if (exchange.parameter_count(name) > 1) co_return invalid(std::string{name} + " is given more than once");
  // Unknown parameters are ignored, but for those with which other services go through pages.
  for (const std::string_view name : {"page", "offset"})
    if (exchange.parameter_count(name) > 0)
      co_return invalid(std::string{name} +
                        " is not known here: follow the Link of each page, or use limit and cursor");
  co_return std::nullopt;
}

http::Asker ReadGate::asker(const Exchange& exchange) const {
  return {.requester = access_.guard->requester_of(exchange), .tenant = std::string{exchange.capture(0)}};
}

}  // namespace pebbles::query
