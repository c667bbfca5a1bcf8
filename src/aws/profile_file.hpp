#pragma once
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pebbles::aws {

/// Settings by their names in lower case.
using Profile = std::map<std::string, std::string, std::less<>>;
using Profiles = std::map<std::string, Profile, std::less<>>;

/// How sections name a profile: `[name]`, or `[profile name]` and `[default]`.
enum class ProfileFileKind { credentials, config };

/// Reads a shared file of the SDKs. Sections that are no profiles, and indented lines (settings of a setting), are
/// skipped. Pure. Errors: invalid_argument with the number of the line, and nothing of what stands there.
[[nodiscard]] Result<Profiles> parse_profiles(std::string_view text, ProfileFileKind kind);

}  // namespace pebbles::aws
