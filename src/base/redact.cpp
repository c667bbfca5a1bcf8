#include "base/redact.hpp"

#include <algorithm>
#include <array>

#include "base/header_text.hpp"

namespace pebbles {
namespace {

constexpr std::string_view mask = "***";

/// Parts of names, in lower case, behind which a secret stands.
constexpr std::array<std::string_view, 9> secret_names{
    "token", "password", "passwd", "secret", "api_key", "credential", "assertion", "signature", "authorization"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/// Ends a value without quotes.
bool ends_value(char c) {
  return c == '&' || c == ' ' || c == '"' || c == '\'' || c == ',' || c == ';' || c == '#' || c == '}';
}

/// `name: value` in a sentence is a name and its value only where the name ends like one: "tokens: set JWT_SECRET" and
/// "InvalidClientTokenId: The security token …" are prose.
enum class NamePlace : bool { prose, parameter };

bool is_secret_name(std::string_view name, NamePlace place) {
  constexpr std::size_t bytes_max = 64;  // no longer name is worth a search
  std::array<char, bytes_max> lowered{};
  const auto size = std::min(name.size(), bytes_max);
  std::ranges::transform(name.substr(name.size() - size), lowered.begin(), lower);
  const std::string_view text{lowered.data(), size};
  if (text.ends_with("_file")) return false;  // where a secret is, is none
  return std::ranges::any_of(secret_names, [&](std::string_view part) {
    return place == NamePlace::prose ? text.ends_with(part) : text.contains(part);
  });
}

std::size_t size_while(std::string_view text, auto&& wanted) {
  return static_cast<std::size_t>(std::ranges::find_if_not(text, wanted) - text.begin());
}

bool starts_ignoring_case(std::string_view text, std::string_view start) {
  return equal_ignoring_case(text.substr(0, start.size()), start);
}

/// The bytes at the start of `rest` that are a scheme of credentials and the space behind it.
std::size_t scheme_size(std::string_view rest) {
  for (const std::string_view scheme : {"bearer", "basic"})
    if (starts_ignoring_case(rest, scheme) && rest.size() > scheme.size() &&
        (rest[scheme.size()] == ' ' || rest[scheme.size()] == '\t'))
      return scheme.size() + size_while(rest.substr(scheme.size()), [](char c) { return c == ' ' || c == '\t'; });
  return 0;
}

/// Of `//name:password@`, which stands before a host; 0 when it does not.
std::size_t user_size(std::string_view rest) {
  const auto authority =
      rest.substr(0, size_while(rest, [](char c) { return c != '/' && c != ' ' && c != '?' && c != '#' && c != '"'; }));
  const auto at = authority.rfind('@');
  return at == authority.npos ? 0 : at;
}

/// Between a name and its value: `=`, `:`, with quotes and spaces around; 0 when there is none.
std::size_t separator_size(std::string_view rest) {
  std::size_t size = size_while(rest, [](char c) { return c == '"' || c == '\'' || c == '\\'; });
  size += size_while(rest.substr(size), [](char c) { return c == ' '; });
  const auto has_sign = size < rest.size() && (rest[size] == '=' || rest[size] == ':');
  const auto is_escaped = starts_ignoring_case(rest.substr(size), "%3d");
  if (!has_sign && !is_escaped) return 0;
  size += has_sign ? 1 : 3;
  size += size_while(rest.substr(size), [](char c) { return c == ' '; });
  return size + size_while(rest.substr(size), [](char c) { return c == '"' || c == '\'' || c == '\\'; });
}

}  // namespace

std::string redacted(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool behind_word = false;  // names and schemes begin where a word begins
  while (!text.empty()) {
    const char first = text.front();
    if (text.starts_with("://")) {
      out += "://";
      text.remove_prefix(3);
      if (const auto user = user_size(text); user > 0) {
        out += mask;
        text.remove_prefix(user);
      }
      behind_word = false;
      continue;
    }
    if (!is_word(first) || behind_word) {
      behind_word = is_word(first);
      out += first;
      text.remove_prefix(1);
      continue;
    }
    if (const auto scheme = scheme_size(text); scheme > 0) {
      out += text.substr(0, scheme);
      text.remove_prefix(scheme);
      if (scheme_size(text) > 0) continue;
      out += mask;
      text.remove_prefix(size_while(text, [](char c) { return !ends_value(c); }));
      continue;
    }
    const auto word = text.substr(0, size_while(text, is_word));
    text.remove_prefix(word.size());
    // A token's head is an object whose first byte is `{"`: that is how its Base64 begins.
    if (word.starts_with("eyJ") && word.contains('.')) {
      out += mask;
      continue;
    }
    out += word;
    const auto separator = separator_size(text);
    const auto place = text.substr(0, separator) == ": " ? NamePlace::prose : NamePlace::parameter;
    if (separator == 0 || !is_secret_name(word, place)) continue;
    out += text.substr(0, separator);
    text.remove_prefix(separator);
    if (scheme_size(text) > 0) continue;  // masked in the next round, scheme and all
    const auto value = size_while(text, [](char c) { return !ends_value(c); });
    if (value > 0) out += mask;
    text.remove_prefix(value);
  }
  return out;
}

bool holds_secret(std::string_view url) {
  std::string rest{url};
  if (const auto scheme = url.find("://"); scheme != url.npos) {
    const auto authority = url.substr(scheme + 3);
    const auto user = authority.substr(0, user_size(authority));
    if (user.contains(':')) return true;
    rest.erase(scheme + 3, user.size());
  }
  return redacted(rest) != rest;
}

}  // namespace pebbles
