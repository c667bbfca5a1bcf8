#include "egress/query/etag.hpp"

#include "base/header_text.hpp"
#include "base/hex.hpp"
#include "crypto/sha256.hpp"
#include "domain/precondition.hpp"
#include "egress/query/derived.hpp"
#include "json/writer.hpp"

namespace pebbles::query {
namespace {

void append_state(std::string& out, const store::Snapshot& snapshot, const TagScope& scope) {
  domain::append_state_tag(out, snapshot.progress);
  json::append_integer(out, snapshot.rev);
  out += '-';
  json::append_integer(out, snapshot.fold);
  if (is_stalled(snapshot.progress, scope.stalled_before)) out += "-s";
}

}  // namespace

std::string tag_of(const store::Snapshot& snapshot, const TagScope& scope) {
  std::string out{'"'};
  append_state(out, snapshot, scope);
  out += '-';
  json::append_integer(out, static_cast<std::int64_t>(scope.items_max));
  if (scope.baseline > 0) {
    out += "-b";
    json::append_integer(out, scope.baseline);
  }
  out += '"';
  return out;
}

std::string tag_of(const store::ListPage& page, std::string_view next, const TagScope& scope) {
  std::string states{next};
  states += ' ';
  json::append_integer(states, static_cast<std::int64_t>(scope.items_max));
  for (const auto& record : page.records) {
    states += ' ';
    append_state(states, *record, scope);
  }
  std::string out{'"'};
  append_hex(out, crypto::short_sha256({states}));
  out += '"';
  return out;
}

bool matches(std::string_view if_none_match, std::string_view tag) {
  auto rest = trimmed(if_none_match);
  if (rest == "*") return true;
  while (!rest.empty()) {
    if (rest.starts_with(',') || rest.starts_with(' ') || rest.starts_with('\t')) {
      rest.remove_prefix(1);
      continue;
    }
    if (rest.starts_with("W/")) rest.remove_prefix(2);
    if (!rest.starts_with('"')) return false;
    const auto end = rest.find('"', 1);  // a tag may hold commas, but no quote
    if (end == rest.npos) return false;
    if (rest.substr(0, end + 1) == tag) return true;
    rest.remove_prefix(end + 1);
    const auto next = trimmed(rest);
    if (!next.empty() && next.front() != ',') return false;
  }
  return false;
}

http::Response tagged(std::string_view if_none_match, std::string_view tag) {
  http::Response out;
  std::string shown{tag};
  if (matches(if_none_match, tag)) {
    out.status = 304;
    // The tag that a 200 would have (RFC 9110, section 15.4.5), which is a weak one for who got it compressed.
    if (if_none_match.find("W/" + shown) != if_none_match.npos) shown.insert(0, "W/");
  }
  http::add_header(out, "ETag", shown);
  http::add_header(out, "Cache-Control", "no-cache");
  return out;
}

}  // namespace pebbles::query
