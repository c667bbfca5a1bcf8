#include "http/target.hpp"

#include <simdjson.h>

#include <algorithm>
#include <boost/url/pct_string_view.hpp>
#include <optional>

#include "base/header_text.hpp"
#include "base/result.hpp"
#include "http/authority.hpp"

namespace pebbles::http {
namespace {

enum class Plus : bool { stays, is_space };

/// The error goes on from "… ".
std::expected<std::string, std::string_view> decode(std::string_view raw, Plus plus) {
  std::string out;
  if (raw.find_first_of(plus == Plus::is_space ? "%+" : "%") == raw.npos) {
    out = raw;
  } else {
    const auto escaped = boost::urls::make_pct_string_view({raw.data(), raw.size()});
    if (!escaped) return std::unexpected{"has a % without two hexadecimal digits"};
    boost::urls::encoding_opts options;
    options.space_as_plus = plus == Plus::is_space;
    out = escaped->decode(options);
  }
  if (out.find('\0') != out.npos) return std::unexpected{"has a NUL character"};
  if (!simdjson::validate_utf8(out.data(), out.size()))
    return std::unexpected{"is not UTF-8 once its percent escapes are decoded"};
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

/// The absolute form is for proxies, but a server has to accept it too (RFC 9112, section 3.2.2). Nothing where its
/// authority is none; what is left may begin with the query.
std::optional<std::string_view> without_authority(std::string_view raw) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_ignoring_case(raw.substr(0, scheme.size()), scheme)) continue;
    const auto end = std::min(raw.find_first_of("/?#", scheme.size()), raw.size());
    const auto authority = raw.substr(scheme.size(), end - scheme.size());
    if (authority.empty() || !is_authority(authority)) return std::nullopt;
    return raw.substr(end);
  }
  return raw.starts_with('/') ? std::optional{raw} : std::nullopt;
}

std::expected<void, std::string> take_path(Target& out, std::string_view path) {
  std::string fault;
  const auto take_segment = [&](std::string_view piece) {
    auto segment = decode(piece, Plus::stays);
    if (!segment)
      fault = "Invalid path: a part of it " + std::string{segment.error()};
    else if (out.path.size() == path_segments_max)
      fault = "Invalid path: more than " + std::to_string(path_segments_max) + " parts";
    else
      out.path.push_back(*std::move(segment));
    return fault.empty();
  };
  split(path.substr(path.starts_with('/') ? 1 : 0), '/', take_segment);
  if (!fault.empty()) return std::unexpected{std::move(fault)};
  return {};
}

std::expected<void, std::string> take_query(Target& out, std::string_view query) {
  std::string fault;
  const auto take_parameter = [&](std::string_view piece) {
    if (piece.empty()) return true;
    const auto name_end = std::min(piece.find('='), piece.size());
    auto name = decode(piece.substr(0, name_end), Plus::is_space);
    auto value = decode(piece.substr(std::min(name_end + 1, piece.size())), Plus::is_space);
    if (!name)
      fault = "Invalid parameters: a name " + std::string{name.error()};
    else if (!value)
      fault = "Invalid parameters: " + *name + " " + std::string{value.error()};
    else if (out.query.size() == parameters_max)
      fault = "Invalid parameters: more than " + std::to_string(parameters_max);
    else
      out.query.emplace_back(*std::move(name), *std::move(value));
    return fault.empty();
  };
  split(query, '&', take_parameter);
  if (!fault.empty()) return std::unexpected{std::move(fault)};
  return {};
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

std::expected<Target, std::string> parse_target(std::string_view raw) {
  const auto rest = without_authority(raw);
  if (!rest || rest->find('#') != rest->npos)
    return std::unexpected{std::string{"Invalid target: it is neither a path nor an http URL, or has a fragment"}};
  const auto path_end = std::min(rest->find('?'), rest->size());
  Target out;
  out.path.reserve(4);
  PEBBLES_TRY_VOID(take_path(out, rest->substr(0, path_end)));
  if (path_end < rest->size()) PEBBLES_TRY_VOID(take_query(out, rest->substr(path_end + 1)));
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
