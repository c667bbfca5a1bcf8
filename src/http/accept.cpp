#include "http/accept.hpp"

#include <algorithm>

#include "base/header_text.hpp"

namespace pebbles::http {
namespace {

/// How closely a range of an `Accept` value names a type: 0 not at all, 3 by its full name.
int closeness(std::string_view range, std::string_view type) {
  if (range == "*/*") return 1;
  if (equal_ignoring_case(range, type)) return 3;
  const auto slash = type.find('/');
  return range.ends_with("/*") && equal_ignoring_case(range.substr(0, range.size() - 2), type.substr(0, slash)) ? 2 : 0;
}

/// The weight that an `Accept` value gives a type; the closest range decides.
int weight_in(std::string_view accept, std::string_view type) {
  int out = 0, closest = 0;
  while (!accept.empty()) {
    auto entry = next_part(accept, ',');
    const auto range = next_part(entry, ';');
    std::optional<int> weight = weight_of("");
    while (!entry.empty()) {
      const auto parameter = next_part(entry, ';');
      if (parameter.starts_with("q=") || parameter.starts_with("Q=")) weight = weight_of(parameter);
    }
    const int close = closeness(range, type);
    if (!weight || close <= closest) continue;
    closest = close;
    out = *weight;
  }
  return out;
}

}  // namespace

std::optional<int> weight_of(std::string_view parameter) {
  constexpr int whole = 1000;
  if (parameter.empty()) return whole;
  const auto equals = parameter.find('=');
  if (equals == parameter.npos || !equal_ignoring_case(trimmed(parameter.substr(0, equals)), "q")) return std::nullopt;
  const auto text = trimmed(parameter.substr(equals + 1));
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  int out = (text[0] - '0') * whole;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  int place = whole / 10;
  for (const char digit : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (digit < '0' || digit > '9') return std::nullopt;
    out += (digit - '0') * place;
    place /= 10;
  }
  return out <= whole ? std::optional{out} : std::nullopt;
}

std::size_t preferred(std::string_view accept, std::span<const std::string_view> types) {
  std::size_t best = 0;
  int most = accept.empty() ? 1 : weight_in(accept, types[0]);
  for (std::size_t i = 1; i < types.size() && !accept.empty(); ++i) {
    const int weight = weight_in(accept, types[i]);
    if (weight <= most) continue;
    most = weight;
    best = i;
  }
  return best;
}

}  // namespace pebbles::http
