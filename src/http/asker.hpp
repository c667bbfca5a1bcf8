#pragma once
#include <string>
#include <string_view>

namespace pebbles::http {

/// Whose work something is, where several share: first by who sent the request, which nobody can choose freely, then by
/// the tenant that it is about, which anybody may name.
struct Asker {
  std::string requester;  ///< a verified token's identity, otherwise the address that the request came from
  std::string tenant = {};
};

/// The address as a requester: of IPv6 its first 64 bits, since a host has all addresses of such a network. `address`
/// is as inet_ntop writes it.
[[nodiscard]] std::string requester_of_address(std::string_view address);

}  // namespace pebbles::http
