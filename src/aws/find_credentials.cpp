#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <functional>

#include "aws/credentials_sources.hpp"

namespace pebbles::aws {
namespace {

struct Source {
  std::string_view name;
  std::function<MaybeCredentials()> ask;
};

/// Each part becomes a header, or text that libcurl reads up to a NUL: printable characters only.
bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<FoundCredentials> find_credentials(const Environment& environment, std::string_view region,
                                          const std::stop_token& stop) {
  const std::array<Source, 5> sources{{
      {"environment", [&] { return from_environment(environment); }},
      {"web identity", [&] { return from_web_identity(environment, region, stop); }},
      {"profile", [&] { return from_profile(environment, region, stop); }},
      {"container", [&] { return from_container(environment, stop); }},
      {"instance metadata", [&] { return from_instance(environment, stop); }},
  }};
  for (const auto& source : sources) {
    auto found = source.ask();
    if (!found) return failure(found.error().code, fmt::format("{}: {}", source.name, found.error().detail));
    if (!*found) continue;
    auto& credentials = **found;
    if (!is_plain(credentials.access_key_id) || !is_plain(credentials.secret_access_key) ||
        !is_plain(credentials.session_token))
      return failure(Errc::forbidden, fmt::format("{}: they have characters that keys do not have", source.name));
    return FoundCredentials{.credentials = std::move(credentials), .source = source.name};
  }
  return failure(Errc::forbidden,
                 "none in the environment, in a web identity, in a profile, from a container's endpoint, or from the "
                 "instance's metadata");
}

}  // namespace pebbles::aws
