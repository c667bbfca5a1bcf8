#pragma once
#include <optional>
#include <string>

namespace pebbles::net {

struct UrlOrigin {
  std::string scheme;  ///< in lower case
  std::string host;    ///< an IPv6 address in its brackets
};

/// Where a URL leads; nullopt for what is none, or has no host.
[[nodiscard]] std::optional<UrlOrigin> origin_of(const std::string& url);

/// Whether a request could be made for it: http or https, with a host.
[[nodiscard]] bool is_http_url(const std::string& url);

}  // namespace pebbles::net
