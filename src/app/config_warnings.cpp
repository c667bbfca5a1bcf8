#include "app/config_warnings.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <utility>

#include "base/hex.hpp"

namespace pebbles::app {
namespace {

/// Variables that are read besides the settings.
constexpr std::array<std::string_view, 24> further_variables{"KAFKA_TOPIC",
                                                             "SQS_ENDPOINT",
                                                             "AWS_ENDPOINT_URL",
                                                             "AWS_ENDPOINT_URL_STS",
                                                             "AWS_ACCESS_KEY_ID",
                                                             "AWS_SECRET_ACCESS_KEY",
                                                             "AWS_SESSION_TOKEN",
                                                             "AWS_PROFILE",
                                                             "AWS_DEFAULT_PROFILE",
                                                             "AWS_CONFIG_FILE",
                                                             "AWS_SHARED_CREDENTIALS_FILE",
                                                             "AWS_ROLE_ARN",
                                                             "AWS_ROLE_SESSION_NAME",
                                                             "AWS_WEB_IDENTITY_TOKEN_FILE",
                                                             "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                                             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                                             "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                                             "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                                             "AWS_EC2_METADATA_DISABLED",
                                                             "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                                             "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                                                             "MONGOC_DISABLE_SHM",
                                                             "PEBBLES_CRASH_AT",
                                                             "PEBBLES_TEST_WEAK_WRITES"};

/// Names that begin so are nobody else's. Not AWS_, MAX_, LIST_ and the like, with which much begins.
constexpr std::array<std::string_view, 11> own_prefixes{
    "PEBBLES_", "KAFKA_", "SQS_", "JWT_", "MONGO_", "HTTP_", "LOG_", "METRICS_", "RETENTION_", "CORS_", "SHUTDOWN_"};

/// What others mean by names that look like ours.
constexpr std::array<std::string_view, 3> foreign_variables{"HTTP_PROXY", "HTTP_VERSION", "HOME"};

std::vector<std::string> known_variables() {
  std::vector<std::string> out{further_variables.begin(), further_variables.end()};
  for (const auto& setting : settings()) {
    out.emplace_back(setting.variable);
    if (setting.secret) out.push_back(fmt::format("{}_FILE", setting.variable));
  }
  return out;
}

std::string upper_case(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

/// How many letters have to be added, taken away or replaced to make one of the other (Levenshtein).
std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

/// The known name that `name` is a slip of.
std::optional<std::string> meant_by(const std::string& name, const std::vector<std::string>& known) {
  constexpr std::size_t short_name = 5;
  constexpr std::size_t longest = 64;
  if (name.size() > longest) return std::nullopt;
  const auto upper = upper_case(name);
  const std::string* nearest = nullptr;
  std::size_t fewest = 3;
  for (const auto& each : known) {
    const auto length = std::max(upper.size(), each.size()) - std::min(upper.size(), each.size());
    if (length > 2) continue;
    const auto edits = edits_between(upper, each);
    if (edits >= fewest || (each.size() <= short_name && edits > 1)) continue;
    fewest = edits;
    nearest = &each;
  }
  return nearest == nullptr ? std::nullopt : std::optional{*nearest};
}

/// What Kubernetes and Docker tell a container of the services beside it: PEBBLES_SERVICE_HOST, KAFKA_PORT=tcp://…,
/// KAFKA_PORT_9092_TCP_ADDR.
bool is_service_link(const std::string& name, const Environment& environment) {
  if (name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_"))
    return true;
  if (name.contains("_TCP_") || name.contains("_UDP_")) return true;
  const auto value = environment(name).value_or("");
  return name.contains("_PORT") && (value.starts_with("tcp://") || value.starts_with("udp://"));
}

bool is_foreign(const std::string& name, const Environment& environment) {
  return std::ranges::find(foreign_variables, name) != foreign_variables.end() ||
         name.starts_with("AWS_ENDPOINT_URL_") || is_service_link(name, environment);
}

bool is_escape(std::string_view rest) {
  std::array<std::uint8_t, 1> byte{};
  return rest.size() >= 3 && from_hex(rest.substr(1, 2), byte);
}

bool is_encoded(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (std::string_view{":/?#[]@"}.contains(text[i]) || (text[i] == '%' && !is_escape(text.substr(i)))) return false;
  return true;
}

/// Whether what stands before the first slash can be hosts alone: then an @ behind it is of an option's value.
bool begins_with_hosts(std::string_view rest) {
  auto hosts = rest.substr(0, rest.find_first_of("/?"));
  if (hosts.contains('@')) return false;
  while (!hosts.empty()) {
    const auto host = hosts.substr(0, hosts.find(','));
    hosts.remove_prefix(std::min(host.size() + 1, hosts.size()));
    const auto colon = host.rfind(':');
    const auto port = colon == host.npos ? std::string_view{} : host.substr(colon + 1);
    if (!host.ends_with(']') && port.find_first_not_of("0123456789") != port.npos) return false;
  }
  return true;
}

}  // namespace

std::vector<ConfigWarning> misspelt_variables(const std::vector<std::string>& names, const Environment& environment) {
  std::vector<ConfigWarning> out;
  const auto known = known_variables();
  for (const auto& name : names) {
    if (std::ranges::find(known, name) != known.end() || name.starts_with("KAFKA_CONF_")) continue;
    if (is_foreign(name, environment)) continue;
    if (const auto meant = meant_by(name, known)) {
      out.push_back({.setting = name, .what = fmt::format("is not read: {} is meant?", *meant)});
    } else if (std::ranges::any_of(own_prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); })) {
      out.push_back({.setting = name, .what = "is not read: there is no such setting (pebbles config lists them all)"});
    }
  }
  return out;
}

std::vector<std::string> doubts_about_mongo_uri(std::string_view uri) {
  std::vector<std::string> out;
  const auto scheme = uri.find("://");
  if (scheme == uri.npos) return out;
  auto rest = uri.substr(scheme + 3);
  // Options may have an @ in them; a password that was not encoded may have a ? in it.
  if (const auto first = rest.find('@'); first != rest.npos && !begins_with_hosts(rest)) {
    const auto user = rest.substr(0, rest.substr(0, rest.find('?', first)).rfind('@'));
    const auto colon = std::min(user.find(':'), user.size());
    const auto password = user.substr(std::min(colon + 1, user.size()));
    if (!is_encoded(user.substr(0, colon)) || !is_encoded(password))
      out.emplace_back(
          "its user name or password has characters that must be percent-encoded: write @ as %40, : as %3A, / as %2F, "
          "? as %3F, # as %23, [ as %5B, ] as %5D and % as %25");
    rest.remove_prefix(user.size() + 1);
  }
  const auto slash = rest.find('/');
  const auto database = slash == rest.npos ? std::string_view{} : rest.substr(slash + 1, rest.find('?') - slash - 1);
  if (database == "admin" || database == "local" || database == "config")
    out.push_back(
        fmt::format("files would be stored in MongoDB's own database {0}: write /pebbles in place of /{0}{1}", database,
                    database == "admin" ? ", and authSource=admin among the options if users are kept in admin" : ""));
  return out;
}

std::vector<ConfigWarning> config_warnings(const Config& config, const Environment& environment,
                                           const std::vector<std::string>& names) {
  auto out = misspelt_variables(names, environment);
  if (config.sqlite_path()) return out;
  for (const auto& doubt : doubts_about_mongo_uri(config.mongo_uri))
    out.push_back({.setting = "MONGO_URI", .what = "is not as it should be: " + doubt});
  return out;
}

}  // namespace pebbles::app
