#include "domain/precondition.hpp"

#include <algorithm>
#include <charconv>

#include "base/hex.hpp"

namespace pebbles::domain {
namespace {

constexpr char time_mark = 'u';

/// Cuts a number and the hyphen behind it off the front of `rest`.
std::optional<std::int64_t> take_number(std::string_view& rest) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), out);
  if (error != std::errc{} || end == rest.data() + rest.size() || *end != '-') return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
  return out;
}

bool matches(const TagList& list, const Progress& now) {
  if (!now.exists()) return false;
  return list.any || std::ranges::any_of(list.tags, [&](const StateTag& tag) { return is_current(tag, now); });
}

}  // namespace

void append_state_tag(std::string& out, const Progress& state) {
  append_hex(out, state.id);
  out += '-';
  if (state.is_before_log()) {
    out += time_mark;
    out += std::to_string(state.updated_at.time_since_epoch().count());
    out += '-';
  }
  out += std::to_string(state.version);
  out += '-';
}

std::optional<StateTag> read_state_tag(std::string_view tag) {
  StateTag out;
  const auto digits = 2 * out.id.size();
  if (tag.size() <= digits || tag[digits] != '-' || !from_hex(tag.substr(0, digits), out.id)) return std::nullopt;
  tag.remove_prefix(digits + 1);
  std::optional<std::int64_t> time;
  if (tag.starts_with(time_mark)) {
    tag.remove_prefix(1);
    time = take_number(tag);
    if (!time) return std::nullopt;
    out.updated_at = Timestamp{Timestamp::duration{*time}};
  }
  const auto version = take_number(tag);
  if (!version || *version < 0 || time.has_value() != (*version == 0)) return std::nullopt;
  out.version = *version;
  return out;
}

bool is_current(const StateTag& tag, const Progress& now) {
  if (!now.exists() || tag.id != now.id) return false;
  if (tag.version > 0) return tag.version == now.version;
  return now.version <= 1 && tag.updated_at == now.updated_at;
}

bool Precondition::holds(const Progress& now) const {
  if (if_match && !matches(*if_match, now)) return false;
  return !if_none_match || !matches(*if_none_match, now);
}

}  // namespace pebbles::domain
