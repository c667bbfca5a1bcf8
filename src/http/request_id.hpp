#pragma once
#include <string>
#include <string_view>

namespace pebbles::http {

inline constexpr std::string_view request_id_name = "X-Request-Id";

/// The request's name in answers and the log: what the client calls it, if that is 1 to 128 letters, digits and signs
/// out of `-_.:/+=@~`, which need no escaping anywhere; else a new one.
[[nodiscard]] std::string request_id_of(std::string_view given);

}  // namespace pebbles::http
