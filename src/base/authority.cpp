#include "base/authority.hpp"

namespace pebbles {

std::string authority_of(std::string_view host, std::uint16_t port) {
  std::string out;
  if (host.contains(':')) {
    const auto zone = host.find('%');
    out.append("[").append(host.substr(0, zone));
    if (zone != host.npos) out.append("%25").append(host.substr(zone + 1));
    out += ']';
  } else {
    out = host;
  }
  return out.append(":").append(std::to_string(port));
}

std::string_view reachable_host(std::string_view host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  return host == "::" ? "::1" : host;
}

std::string_view without_brackets(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

}  // namespace pebbles
