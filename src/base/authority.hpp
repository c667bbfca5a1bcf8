#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace pebbles {

/// `host:port` as a URL has it (RFC 3986, section 3.2.2): an IPv6 address in brackets, its zone behind `%25` (RFC
/// 6874).
[[nodiscard]] std::string authority_of(std::string_view host, std::uint16_t port);

/// Where a process on the same host reaches who listens on `host`: the loopback address in the place of "any".
[[nodiscard]] std::string_view reachable_host(std::string_view host);

/// Without the brackets that an IPv6 address has in URLs.
[[nodiscard]] std::string_view without_brackets(std::string_view host);

}  // namespace pebbles
