#include "aws/profile_file.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "aws/settings.hpp"
#include "base/header_text.hpp"

namespace pebbles::aws {
namespace {

constexpr std::string_view white = " \t\r";

bool is_comment(std::string_view text) { return text.starts_with('#') || text.starts_with(';'); }

/// What stands behind the equals sign, up to where white space and then a comment begins.
std::string_view value_in(std::string_view rest) {
  for (std::size_t i = 1; i < rest.size(); ++i)
    if (is_comment(rest.substr(i)) && white.find(rest[i - 1]) != white.npos) return stripped(rest.substr(0, i));
  return stripped(rest);
}

/// The name in `[name]`; nullopt when it is not closed, or more than a comment follows.
std::optional<std::string_view> section_of(std::string_view line) {
  const auto end = line.find(']');
  if (end == line.npos) return std::nullopt;
  const auto rest = stripped(line.substr(end + 1));
  if (!rest.empty() && !is_comment(rest)) return std::nullopt;
  return stripped(line.substr(1, end - 1));
}

/// `profile name` -> `name`; nullopt when it is no profile's.
std::optional<std::string> config_profile(std::string_view section) {
  constexpr std::string_view prefix = "profile";
  if (section == "default") return "default";
  if (!section.starts_with(prefix) || section.size() == prefix.size() ||
      white.find(section[prefix.size()]) == white.npos)
    return std::nullopt;
  return std::string{unquoted(stripped(section.substr(prefix.size())))};
}

std::string lower_case(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

/// Puts settings where the current section says.
class Reader {
 public:
  explicit Reader(ProfileFileKind kind) : kind_{kind} {}

  /// False when the line is malformed.
  bool take(std::string_view line) {
    if (stripped(line).empty() || is_comment(line) || white.find(line.front()) != white.npos) return true;
    return line.front() == '[' ? begin_section(line) : set(line);
  }

  Profiles finish() && {
    // `[profile default]` hides `[default]`.
    if (has_profile_default_) profiles_["default"] = std::move(profile_default_);
    return std::move(profiles_);
  }

 private:
  bool begin_section(std::string_view line) {
    const auto section = section_of(line);
    if (!section || section->empty()) return false;
    in_section_ = true;
    const auto name = kind_ == ProfileFileKind::config ? config_profile(*section) : std::string{*section};
    const bool second_default = kind_ == ProfileFileKind::config && name == "default" && *section != "default";
    has_profile_default_ |= second_default;
    current_ = second_default ? &profile_default_ : name ? &profiles_[*name] : nullptr;
    return true;
  }

  bool set(std::string_view line) {
    const auto equals = line.find('=');
    if (!in_section_ || equals == line.npos) return false;
    const auto name = lower_case(stripped(line.substr(0, equals)));
    if (name.empty()) return false;
    if (current_ != nullptr) (*current_)[name] = value_in(line.substr(equals + 1));
    return true;
  }

  const ProfileFileKind kind_;
  Profiles profiles_;
  Profile profile_default_;
  bool has_profile_default_ = false;
  bool in_section_ = false;
  Profile* current_ = nullptr;  ///< null in a section that is no profile's
};

}  // namespace

Result<Profiles> parse_profiles(std::string_view text, ProfileFileKind kind) {
  Reader reader{kind};
  for (int number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!reader.take(line)) return failure(Errc::invalid_argument, fmt::format("line {} is malformed", number));
  }
  return std::move(reader).finish();
}

}  // namespace pebbles::aws
