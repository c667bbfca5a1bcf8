#include <fmt/core.h>

#include <array>
#include <utility>

#include "aws/credentials_sources.hpp"
#include "aws/profile_file.hpp"
#include "aws/settings.hpp"
#include "aws/web_identity.hpp"

namespace pebbles::aws {
namespace {

/// What the two files say of one profile.
struct ProfileInFiles {
  std::string name{};
  Profile in_credentials{};
  Profile in_config{};

  [[nodiscard]] bool has(std::string_view setting) const {
    return in_credentials.contains(setting) || in_config.contains(setting);
  }
  /// The credentials file has the say; empty when neither has it.
  [[nodiscard]] std::string value(std::string_view setting) const {
    for (const auto* profile : {&in_credentials, &in_config})
      if (const auto found = profile->find(setting); found != profile->end()) return found->second;
    return {};
  }
};

std::string path_of(const Environment& environment, const std::string& variable, std::string_view by_default) {
  const auto home = value_of(environment, "HOME");
  auto path = value_of(environment, variable);
  if (path.empty()) path = by_default;
  if (!path.starts_with("~/")) return path;
  return home.empty() ? std::string{} : home + path.substr(1);
}

/// A file that is not there has no profiles.
Result<Profiles> read_profiles(const std::string& path, ProfileFileKind kind) {
  if (path.empty()) return Profiles{};
  const auto text = read_file(path);
  if (!text && text.error().code == Errc::not_found) return Profiles{};
  if (!text) return failure(Errc::forbidden, text.error().detail);
  auto profiles = parse_profiles(*text, kind);
  if (!profiles) return failure(Errc::forbidden, fmt::format("{}: {}", path, profiles.error().detail));
  return profiles;
}

std::string name_in(const Environment& environment) {
  auto name = value_of(environment, "AWS_PROFILE");
  return name.empty() ? value_of(environment, "AWS_DEFAULT_PROFILE") : name;
}

/// Nullopt when no profile was asked for and there is no default one.
Result<std::optional<ProfileInFiles>> find_profile(const Environment& environment) {
  const auto asked_for = name_in(environment);
  ProfileInFiles out{.name = asked_for.empty() ? "default" : asked_for};
  const auto credentials_path = path_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
  const auto config_path = path_of(environment, "AWS_CONFIG_FILE", "~/.aws/config");
  PEBBLES_TRY(credentials, read_profiles(credentials_path, ProfileFileKind::credentials));
  PEBBLES_TRY(config, read_profiles(config_path, ProfileFileKind::config));
  const auto in_credentials = credentials.find(out.name);
  const auto in_config = config.find(out.name);
  if (in_credentials != credentials.end()) out.in_credentials = std::move(in_credentials->second);
  if (in_config != config.end()) out.in_config = std::move(in_config->second);
  if (in_credentials != credentials.end() || in_config != config.end()) return out;
  if (asked_for.empty()) return std::nullopt;
  return failure(Errc::forbidden, fmt::format("{} is in neither {} nor {}", asked_for, credentials_path, config_path));
}

/// All parts come from one file: a session token of other keys would spoil them.
MaybeCredentials keys_in(const Profile& profile, const std::string& name) {
  const auto value = [&](std::string_view setting) {
    const auto found = profile.find(setting);
    return found == profile.end() ? std::string{} : found->second;
  };
  Credentials out{.access_key_id = value("aws_access_key_id"),
                  .secret_access_key = value("aws_secret_access_key"),
                  .session_token = value("aws_session_token")};
  if (out.access_key_id.empty() && out.secret_access_key.empty()) return std::nullopt;
  if (out.access_key_id.empty()) return failure(Errc::forbidden, name + " has no aws_access_key_id");
  if (out.secret_access_key.empty()) return failure(Errc::forbidden, name + " has no aws_secret_access_key");
  return out;
}

MaybeCredentials role_of(const ProfileInFiles& profile, const Environment& environment, std::string_view region,
                         const std::stop_token& stop) {
  const WebIdentity identity{.token_file = profile.value("web_identity_token_file"),
                             .role_arn = profile.value("role_arn"),
                             .session_name = profile.value("role_session_name")};
  if (identity.token_file.empty())
    return failure(Errc::forbidden, profile.name + ": a role_arn is served only with a web_identity_token_file");
  PEBBLES_TRY(credentials, exchange(identity, environment, region, stop));
  return std::move(credentials);
}

}  // namespace

MaybeCredentials from_profile(const Environment& environment, std::string_view region, const std::stop_token& stop) {
  PEBBLES_TRY(profile, find_profile(environment));
  if (!profile) return std::nullopt;
  if (!profile->value("role_arn").empty()) return role_of(*profile, environment, region, stop);
  for (const auto* in_file : {&profile->in_credentials, &profile->in_config}) {
    PEBBLES_TRY(keys, keys_in(*in_file, profile->name));
    if (keys) return std::move(keys);
  }
  constexpr std::array<std::string_view, 4> not_served{"credential_process", "sso_session", "sso_account_id",
                                                       "login_session"};
  for (const auto setting : not_served)
    if (profile->has(setting))
      return failure(Errc::forbidden, fmt::format("{}: {} is not served", profile->name, setting));
  return std::nullopt;
}

}  // namespace pebbles::aws
