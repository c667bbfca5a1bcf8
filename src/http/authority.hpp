#pragma once
#include <string_view>

namespace pebbles::http {

/// Whether a text is a host with an optional port, as `Host` and a URL have it (RFC 9110, section 7.2, by RFC 3986,
/// sections 3.2.2 and 3.2.3). Names with bytes beyond ASCII and user names are none. Precondition: not empty.
[[nodiscard]] bool is_authority(std::string_view text);

}  // namespace pebbles::http
