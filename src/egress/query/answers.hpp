#pragma once
#include <memory>
#include <optional>

#include "access/guard.hpp"
#include "admission/client_krn.hpp"
#include "http/exchange.hpp"
#include "http/response.hpp"

/// What the routes of this folder do alike: `{clientKrn}` is their first capture.
namespace pebbles::query {

/// 400, with what is invalid.
[[nodiscard]] http::Response invalid(std::string_view what);

[[nodiscard]] http::Response read_failure(const Error& error);

/// Nothing where the client's data may be read; else the answer to give. Without a guard all may read.
[[nodiscard]] http::Task<std::optional<http::Response>> deny(const std::shared_ptr<access::Guard>& guard,
                                                             const http::Exchange& exchange);

/// Nothing where the path names a valid client; else the answer to give.
[[nodiscard]] std::optional<http::Response> judge_client(const admission::ClientKrnRule& rule,
                                                         const http::Exchange& exchange);

}  // namespace pebbles::query
