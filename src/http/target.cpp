#include "http/target.hpp"

#include <simdjson.h>

#include <algorithm>
#include <boost/url/pct_string_view.hpp>

#include "base/header_text.hpp"

namespace pebbles::http {
namespace {

enum class Plus : bool { stays, is_space };

/// Nullopt for a bad escape, a NUL, or what is not UTF-8.
std::optional<std::string> decode(std::string_view raw, Plus plus) {
  std::string out;
  if (raw.find_first_of(plus == Plus::is_space ? "%+" : "%") == raw.npos) {
    out = raw;
  } else {
    const auto escaped = boost::urls::make_pct_string_view({raw.data(), raw.size()});
    if (!escaped) return std::nullopt;
    boost::urls::encoding_opts options;
    options.space_as_plus = plus == Plus::is_space;
    out = escaped->decode(options);
  }
  if (out.find('\0') != out.npos || !simdjson::validate_utf8(out.data(), out.size())) return std::nullopt;
  return out;
}

/// Calls `take` with each piece of `text` between separators; false as soon as it says so.
template <class Take>
bool split(std::string_view text, char separator, Take take) {
  for (;;) {
    const auto end = std::min(text.find(separator), text.size());
    if (!take(text.substr(0, end))) return false;
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

/// The absolute form is for proxies, but a server has to accept it too.
std::string_view without_authority(std::string_view raw) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(raw.substr(0, scheme.size()), scheme)) continue;
    const auto path = raw.find_first_of("/?", scheme.size());
    return path == raw.npos ? "/" : raw.substr(path);
  }
  return raw;
}

}  // namespace

const std::string* Target::parameter(std::string_view name) const {
  const auto found = std::ranges::find(query, name, [](const auto& pair) { return std::string_view{pair.first}; });
  return found == query.end() ? nullptr : &found->second;
}

std::size_t Target::count_of(std::string_view name) const {
  const auto is = [name](const auto& pair) { return pair.first == name; };
  return static_cast<std::size_t>(std::ranges::count_if(query, is));
}

std::optional<Target> parse_target(std::string_view raw) {
  raw = without_authority(raw);
  if (!raw.starts_with('/') || raw.find('#') != raw.npos) return std::nullopt;
  const auto path_end = std::min(raw.find('?'), raw.size());
  Target out;
  out.path.reserve(4);
  const auto take_segment = [&out](std::string_view piece) {
    auto segment = decode(piece, Plus::stays);
    if (!segment || out.path.size() == path_segments_max) return false;
    out.path.push_back(*std::move(segment));
    return true;
  };
  if (!split(raw.substr(1, path_end - 1), '/', take_segment)) return std::nullopt;
  const auto take_parameter = [&out](std::string_view piece) {
    if (piece.empty()) return true;
    const auto name_end = std::min(piece.find('='), piece.size());
    auto name = decode(piece.substr(0, name_end), Plus::is_space);
    auto value = decode(piece.substr(std::min(name_end + 1, piece.size())), Plus::is_space);
    if (!name || !value || out.query.size() == parameters_max) return false;
    out.query.emplace_back(*std::move(name), *std::move(value));
    return true;
  };
  if (path_end < raw.size() && !split(raw.substr(path_end + 1), '&', take_parameter)) return std::nullopt;
  return out;
}

void append_percent_encoded(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved)
      out += c;
    else
      out.append({'%', digits[byte >> 4U], digits[byte & 15U]});
  }
}

}  // namespace pebbles::http
